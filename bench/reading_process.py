"""Reads all given messages at once and prints the resident size before, and at its highest."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys

from bench.probe import resident_bytes
from bench.sides import worker_with


async def main() -> None:
    """Take the calls from standard input."""
    calls = json.load(sys.stdin)["calls"]
    async with worker_with() as email:
        idle = resident_bytes(os.getpid())
        await asyncio.gather(*(email.call("email.imap.read", variables) for variables in calls))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        after = resident_bytes(os.getpid())
    sys.stdout.write(json.dumps({"idle_bytes": idle, "peak_bytes": peak, "after_bytes": after}))


if __name__ == "__main__":
    asyncio.run(main())
