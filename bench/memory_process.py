"""Does calls in rounds, at most ten at the same time, and prints this process's resident bytes as JSON.

`before` the first round, after each round (`resident`), and at its highest (`peak`).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

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
    sys.stdout.write(json.dumps({"before": before, "resident": sizes, "peak": _peak_bytes()}))


def _peak_bytes() -> int:
    """The most in use so far; `ru_maxrss` would begin with the size of the process that started this one."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    asyncio.run(main())
