"""Sends a mail again and again, eight at once, and prints the resident size after each tenth of them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

from bench.probe import resident_bytes
from bench.sides import worker_with

_AT_ONCE = 8
_TENTHS = 10


async def main() -> None:
    """Take the variables and the number of sends from standard input."""
    request = json.load(sys.stdin)
    each = request["sends"] // _TENTHS // _AT_ONCE
    sizes = []
    began = time.perf_counter()
    async with worker_with() as email:

        async def send_many() -> None:
            for _ in range(each):
                await email.call("email.smtp.send", request["variables"])

        for _ in range(_TENTHS):
            await asyncio.gather(*(send_many() for _ in range(_AT_ONCE)))
            sizes.append(resident_bytes(os.getpid()))
    seconds = time.perf_counter() - began
    sys.stdout.write(json.dumps({"resident_bytes": sizes, "seconds": seconds}))


if __name__ == "__main__":
    asyncio.run(main())
