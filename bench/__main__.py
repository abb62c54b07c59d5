"""`make bench [ONLY=load]` measures and writes docs/performance.md; `make bench-quick` checks limits."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

# gRPC prints a line for each process that is started.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from rich.console import Console

from bench import memory
from bench.counts import count_plain, count_worker
from bench.limits import broken_counts, broken_memory
from bench.lines import measure_lines
from bench.load import measure_load, measure_sick
from bench.mailboxes import mailboxes
from bench.operations import SIDES
from bench.page import load_table, memory_table, operations_table, write_block
from bench.servers import running_cluster, smtp_sink

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "performance.md"
_FOLDER_EMAILS = 10_000
_QUICK_FOLDERS = (100, 10_000)

console = Console(stderr=True)


async def _operations() -> None:
    # matplotlib is needed here only: the quick run goes without it.
    from bench.picture import draw  # noqa: PLC0415

    with mailboxes(_FOLDER_EMAILS) as boxes:
        plain, ours = await count_plain(boxes), await count_worker(boxes)
        async with running_cluster(*SIDES) as cluster:
            times = await measure_lines(cluster, boxes)
    write_block(PAGE, "operations", operations_table(plain, ours, times))
    draw(times, DOCS / "pictures" / "performance.svg")


async def _load() -> None:
    with smtp_sink() as port:
        async with running_cluster(*SIDES) as cluster:
            load = await measure_load(cluster, port)
        write_block(PAGE, "load", load_table(load, await measure_sick(port)))


async def _memory() -> None:
    scale = memory.FULL
    table = memory_table(await memory.measure_memory(scale), scale.jobs, scale.sends)
    write_block(PAGE, "memory", table)


async def _quick_operations() -> list[str]:
    counts = {}
    for size in _QUICK_FOLDERS:
        with mailboxes(size) as boxes:
            counts[size] = await count_worker(boxes, with_memory=True)
    return list(broken_counts(counts))


async def _quick_memory() -> list[str]:
    found = await memory.measure_memory(memory.QUICK)
    return list(broken_memory(found["email"]))


Part = Callable[[], Coroutine[Any, Any, list[str] | None]]
PARTS: dict[str, Part] = {"operations": _operations, "load": _load, "memory": _memory}
QUICK_PARTS: dict[str, Part] = {"operations": _quick_operations, "memory": _quick_memory}


def main() -> int:
    """Measure the parts asked for; return 1 if a limit is broken."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--only", default="", help=f"parts, separated by commas: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="small; writes nothing, checks limits")
    options = parser.parse_args()
    parts = QUICK_PARTS if options.quick else PARTS
    chosen = [part for part in options.only.split(",") if part] or list(parts)
    if unknown := set(chosen) - set(parts):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; the parts are {', '.join(parts)}")
    broken: list[str] = []
    for part in chosen:
        began = time.monotonic()
        with console.status(f"{part} …"):
            found = asyncio.run(parts[part]())
        broken += found or []
        console.print(f"{part}: {time.monotonic() - began:.0f} s")
    for fault in broken:
        console.print(f"[red]{fault}", soft_wrap=True)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
