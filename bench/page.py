"""The tables of docs/performance.md, each between two comments; the sentences around them stay."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.counts import Count
from bench.lines import DELAYS_MS, Times
from bench.load import LEVELS, SICK_JOBS, SICK_LIMIT_SECONDS, Latency
from bench.memory import Memory
from bench.operations import OPERATIONS

_MB = 1_000_000


def write_block(page: Path, name: str, table: str) -> None:
    """Replace a table of the page, and say under it when and where it was measured."""
    start, end = f"<!-- {name}: written by make bench -->\n", f"<!-- /{name} -->"
    before, rest = page.read_text("utf-8").split(start)
    after = rest.split(end)[1]
    page.write_text(f"{before}{start}\n{table}\n\n{_provenance()}\n\n{end}{after}", "utf-8")


def operations_table(plain: dict[str, Count], ours: dict[str, Count], times: Times) -> str:
    """A row for each operation: round trips, and times at each delay."""
    head = ["operation", "plain: round trips", "worker: round trips", "least"]
    head += [f"plain / worker, {delay or 'no'} {'ms' if delay else 'delay'}" for delay in DELAYS_MS]
    rows = []
    for operation in OPERATIONS:
        title = operation.title
        trips = [plain[title].round_trips, f"**{ours[title].round_trips}**"]
        sides = [(times[title, "plain", delay], times[title, "email", delay]) for delay in DELAYS_MS]
        medians = [f"{median:.0f} / **{ours_median:.0f}**" for median, ours_median in sides]
        rows.append([title, *trips, f"{operation.least} ({operation.because})", *medians])
    return _table(head, rows)


def load_table(load: dict[tuple[int, str], Latency], sick: dict[str, Latency | None]) -> str:
    """A row for each number of instances at the same time, and one for the server that does not answer."""
    rows: list[Sequence[object]] = []
    for at_once, _ in LEVELS:
        plain, ours = load[at_once, "plain"], load[at_once, "email"]
        ratio = f"{ours.p50 / plain.p50:.2f} / {ours.p99 / plain.p99:.2f}"
        rows.append([f"{at_once} at the same time", _latency(plain), _latency(ours), ratio])
    beside = f"1, while {SICK_JOBS} jobs wait for a mail server that does not answer"
    rows.append([beside, _latency(sick["plain"]), _latency(sick["email"]), ""])
    return _table(["sends", "plain p50 / p99, ms", "worker p50 / p99, ms", "worker to plain"], rows)


def memory_table(memory: dict[str, Memory], jobs: int, sends: int) -> str:
    """A row for each state of the process."""
    plain, ours = memory["plain"], memory["email"]
    rows: list[Sequence[object]] = [
        ["idle", _mb(plain.idle), _mb(ours.idle)],
        [f"after {jobs:,} jobs", _mb(plain.after_jobs), _mb(ours.after_jobs)],
    ]
    for (emails, octets), growth in plain.reading.items():
        what = "an email" if emails == 1 else f"{emails} emails at the same time, each"
        rows.append(
            [f"more, to read {what} of {_mb(octets)} MB", _mb(growth), _mb(ours.reading[emails, octets])]
        )
    grown = [_mb(each.all_sends - each.first_tenth_of_sends) for each in (plain, ours)]
    rows.append([f"more, from send {sends // 10:,} to send {sends:,}", *grown])
    return _table(["", "plain, MB", "worker, MB"], rows)


def _latency(found: Latency | None) -> str:
    return f"{found.p50:.0f} / {found.p99:.0f}" if found else f"none within {SICK_LIMIT_SECONDS:.0f} s"


def _mb(size: float) -> str:
    return f"{size / _MB:.0f}"


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _provenance() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    return (
        f"<sub>{datetime.now(UTC):%Y-%m-%d} at commit {commit}, {os.cpu_count()} processors shared by"
        f" everything, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}.</sub>"
    )
