"""The worker as `email-worker run` starts it, with a probe; ends when so many jobs are completed."""

from __future__ import annotations

import asyncio
import sys

from bench.probe import Probe
from worker.app import EmailWorker
from worker.logs import configure_logs


async def main() -> None:
    """Take the task type and the number of jobs from the command line, all else from the environment."""
    task_type, expected = sys.argv[1], int(sys.argv[2])
    probe = Probe(task_type, expected)
    probe.attach()
    async with EmailWorker.from_environment() as email:
        configure_logs(email.settings.worker, email.secrets.mask)
        pulse = asyncio.create_task(probe.watch_loop())
        await email.serve(probe.done)
        pulse.cancel()
    probe.report()


if __name__ == "__main__":
    asyncio.run(main())
