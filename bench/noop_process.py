"""A pyzeebe worker whose handler does nothing: the most that a job worker in this language can do."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from pyzeebe import ZeebeWorker, create_insecure_channel

from bench.probe import Probe

_GROUPS = ["authentication", "server", "parameters"]


async def main() -> None:
    """Take the gateway, the task type, the number of jobs and how many at once from the command line."""
    address, task_type, expected, at_once = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    probe = Probe(task_type, expected)
    probe.attach()
    # Its default, 5 s, is slept whenever it is full: that would be no comparison.
    worker = ZeebeWorker(create_insecure_channel(address), poll_retry_delay=0.01)  # type: ignore[arg-type]

    @worker.task(  # type: ignore[arg-type]
        task_type=task_type,
        variables_to_fetch=_GROUPS,
        max_running_jobs=at_once,
        max_jobs_to_activate=at_once,
        timeout_ms=60_000,
    )
    async def do_nothing(**_variables: Any) -> None:
        pass

    pulse = asyncio.create_task(probe.watch_loop())
    work = asyncio.create_task(worker.work())
    await probe.done.wait()
    pulse.cancel()
    await worker.stop()
    work.cancel()
    probe.report()


if __name__ == "__main__":
    asyncio.run(main())
