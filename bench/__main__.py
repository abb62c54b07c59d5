"""`make bench [ONLY=floor,jobs]` measures and writes docs/performance.md; `make bench-quick` holds limits."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
import time
from pathlib import Path

from rich.console import Console

from bench.limits import broken_limits
from bench.record import Record
from bench.scale import FULL, QUICK, Scale

PARTS = ("floor", "wire", "growth", "jobs", "fairness", "memory", "cold")
# What holds limits that do not depend on how fast the machine is.
QUICK_PARTS = ("wire", "growth", "memory")
DOCS = Path(__file__).parent.parent / "docs"

console = Console(stderr=True)


def main() -> int:
    """Measure the parts asked for; return 1 where a limit is broken."""
    options = _options()
    records = [_measure(part, QUICK if options.quick else FULL) for part in options.only]
    if options.quick:
        return _hold_limits(records)
    for record in records:
        record.write(DOCS / "performance")
    _write_report()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--only", default="", help=f"parts, separated by commas: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="small; writes nothing, holds limits")
    options = parser.parse_args()
    every = QUICK_PARTS if options.quick else PARTS
    options.only = [part for part in options.only.split(",") if part] or every
    if unknown := set(options.only) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    return options


def _measure(part: str, scale: Scale) -> Record:
    began = time.monotonic()
    with console.status(f"{part} …"):
        results = asyncio.run(importlib.import_module(f"bench.{part}").measure(scale))
    record = Record.of(part, results, began)
    console.print(f"{part}: {record.seconds:.0f} s")
    return record


def _hold_limits(records: list[Record]) -> int:
    faults = [fault for record in records for fault in broken_limits(record.part, record.results)]
    for fault in faults:
        console.print(f"[red]{fault}")
    return int(bool(faults))


def _write_report() -> None:
    # matplotlib is wanted here only: the quick run goes without it.
    from bench.report import write_report  # noqa: PLC0415

    found = [Record.read(DOCS / "performance", part) for part in PARTS]
    write_report(DOCS, [record for record in found if record is not None])


if __name__ == "__main__":
    sys.exit(main())
