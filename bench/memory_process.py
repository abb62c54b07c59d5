"""Does calls in rounds, at most ten at the same time, and prints this process's resident bytes as JSON.

`before` the first round, after each round (`resident`), and at its highest (`peak`).
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys

from testkit.workers import email_worker

from bench.counts import call_plain, calls_of
from bench.servers import resident_bytes

_AT_ONCE = 10


async def main() -> None:
    """Take side, task, calls, how often each, and rounds from standard input."""
    request = json.load(sys.stdin)
    calls = request["calls"] * request["repeat"]
    async with email_worker() as email:
        call = calls_of(email) if request["side"] == "email" else call_plain
        before = resident_bytes(os.getpid())
        sizes = []
        for _ in range(request["rounds"]):
            left = iter(calls)

            async def do_next() -> None:
                for variables in left:  # noqa: B023 - all are done before the next round
                    await call(request["task"], variables)

            await asyncio.gather(*(do_next() for _ in range(_AT_ONCE)))
            sizes.append(resident_bytes(os.getpid()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({"before": before, "resident": sizes, "peak": peak}))


if __name__ == "__main__":
    asyncio.run(main())
