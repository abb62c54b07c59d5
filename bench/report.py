"""docs/performance.md: a table and a picture for each part, made of the records and of nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.pictures import draw
from bench.record import Record

_MB = 1_000_000
_HEAD = """# Performance

Written by `make bench`; every figure stands beside what it is compared with, measured in the same run, by
turns. Times are minimum / median / 95th percentile. `make bench ONLY=jobs,fairness` measures parts anew; the
others keep their numbers and their date.
"""

Results = dict[str, Any]
Row = Sequence[object]


def write_report(docs: Path, records: Sequence[Record]) -> None:
    """Write the page and its pictures."""
    sections = [_HEAD]
    for record in records:
        picture = f"pictures/performance-{record.part}.svg"
        draw(record.part, record.results, docs / picture)
        title, text, table = _SECTIONS[record.part]
        blocks = (f"## {title}", text, table(record.results), f"![{title}]({picture})", _provenance(record))
        sections.append("\n\n".join(blocks) + "\n")
    (docs / "performance.md").write_text("\n".join(sections), "utf-8")


def _provenance(record: Record) -> str:
    machine = record.machine
    return (
        f"<sub>Measured {record.measured_at} at commit {machine['commit']} in {record.seconds:.0f} s;"
        f" {machine['processors']} processors shared by the worker, the engine and the mail servers, load"
        f" {machine['load_at_the_end'][0]:g} at the end; Python {machine['python']}."
        f" [The numbers as JSON](performance/{record.part}.json).</sub>"
    )


def _floor(results: Results) -> str:
    return _table(
        (
            "operation",
            "exchange alone, ms",
            "the same work, ms",
            "worker, ms",
            "to the exchange",
            "to the same work",
            "goal",
        ),
        [
            (
                row["operation"],
                _spread(row["exchange_ms"]),
                _spread(row["bare_ms"]),
                _spread(row["worker_ms"]),
                _ratio(row["ratio_to_exchange"]),
                _ratio(row["ratio"]),
                _goal(row),
            )
            for row in results["rows"]
        ],
    )


def _goal(row: Results) -> str:
    return f"{row['goal']:g}: {'met' if row['ratio']['median'] <= row['goal'] else '**missed**'}"


def _wire(results: Results) -> str:
    delays = sorted({row["delay_ms"] for row in results["rows"]})
    counts = _table(
        ("operation", "first", "repeated", "least possible", "repeated, in full"),
        [
            (
                row["operation"],
                _passed(row["first"]),
                _passed(row["repeated"]),
                _passed(row["bare"]),
                ", ".join(row["repeated"]["verbs"]),
            )
            for row in results["rows"]
            if row["delay_ms"] == delays[0]
        ],
    )
    times = _table(
        ("operation", "delay, ms", "least possible, ms", "worker, ms", "ratio"),
        [
            (
                row["operation"],
                f"{row['delay_ms']:g}",
                _spread(row["bare_ms"]),
                _spread(row["worker_ms"]),
                _ratio(row["ratio"]),
            )
            for row in sorted(results["rows"], key=lambda row: row["operation"])
            if row["delay_ms"]
        ],
    )
    counted = "Commands in round trips (bytes sent / received)"
    return f"{counted}:\n\n{counts}\n\nWith a delay per round trip:\n\n{times}"


def _passed(seen: Results) -> str:
    octets = f"{seen['bytes_sent']:,} / {seen['bytes_received']:,}"
    return f"{seen['commands']:,} in {seen['round_trips']:,} ({octets})"


def _growth(results: Results) -> str:
    base = {row["operation"]: row for row in reversed(results["rows"])}
    return _table(
        (
            "operation",
            "messages",
            "least possible, ms",
            "worker, ms",
            "ratio",
            "bytes",
            "peak memory, kB",
            "to smallest",
        ),
        [
            (
                row["operation"],
                f"{row['messages']:,}",
                _spread(row["bare_ms"]),
                _spread(row["worker_ms"]),
                _ratio(row["ratio"]),
                _with_first(row, "bytes", 1),
                _with_first(row, "peak_bytes", 1_000),
                f"{row['worker_ms']['median'] / base[row['operation']]['worker_ms']['median']:.2f}",
            )
            for row in results["rows"]
        ],
    )


def _with_first(row: Results, name: str, unit: int) -> str:
    first = row.get(f"first_{name}")
    return f"{row[name] / unit:,.0f}" + (f" (first {first / unit:,.0f})" if first else "")


def _jobs(results: Results) -> str:
    return _table(
        (
            *("at once", "worker", "jobs/s", "ratio", "latency p50 / p99, ms", "loop lag p99, ms"),
            *("worker CPU, ms/job", "engine CPU, ms/job", "handed back"),
        ),
        [
            (
                f"{row['at_once']}",
                {"noop": "pyzeebe, does nothing"}.get(name, name),
                _spread(row[name]["per_second"]),
                _ratio(row["ratio"][name]) if name in row["ratio"] else "1",
                f"{row[name]['latency_p50_ms']:.1f} / {row[name]['latency_p99_ms']:.1f}",
                f"{row[name]['loop_lag_p99_ms']:.1f}",
                f"{row[name]['worker_cpu_ms_per_job']:.2f}",
                f"{row[name]['engine_cpu_ms_per_job']:.2f}",
                f"{row[name]['returned']}",
            )
            for row in results["rows"]
            for name in ("noop", "send", "list")
            if name in row
        ],
    )


def _fairness(results: Results) -> str:
    return _table(
        ("", "jobs/s for the other server", "ratio"),
        [
            (
                f"beside {results['slow_jobs']:,} jobs that are nobody's",
                _spread(results["alone_per_second"]),
                "1",
            ),
            (
                f"beside {results['slow_jobs']:,} jobs for one that takes {results['slow_seconds']} s",
                _spread(results["beside_per_second"]),
                _ratio(results["ratio"]),
            ),
        ],
    )


def _memory(results: Results) -> str:
    jobs, reading, sends = results["jobs"], results["reading"], results["sends"]
    size = reading["messages"] * reading["message_bytes"]
    return _table(
        ("", "resident, MB", "compared with", "ratio"),
        [
            (
                "idle",
                _mb(jobs["idle_bytes"]),
                f"pyzeebe, idle: {_mb(jobs['noop_idle_bytes'])}",
                f"{jobs['idle_ratio_to_noop']:.2f}",
            ),
            (
                f"after {jobs['jobs']:,} jobs",
                _mb(jobs["after_bytes"]),
                "idle",
                f"{jobs['after_ratio_to_idle']:.2f}",
            ),
            (
                f"reading {reading['messages']} mails of {_mb(reading['message_bytes'])} MB at once",
                _mb(reading["peak_bytes"]),
                f"growth to the mail's {_mb(size)}",
                f"{reading['growth_ratio_to_mail']:.2f}",
            ),
            (
                f"after {sends['sends']:,} sends",
                _mb(sends["resident_bytes"][-1]),
                f"after the first tenth: {_mb(sends['resident_bytes'][0])}",
                f"{sends['growth_ratio']:.3f}",
            ),
        ],
    )


def _cold(results: Results) -> str:
    version, first_job = results["version"], results["first_job"]
    return _table(
        ("", "compared with, ms", "worker, ms", "ratio"),
        [
            ("`email-worker --version`, to `python -c pass`", *_cold_row(version)),
            ("start to first job done, to a pyzeebe worker that does nothing", *_cold_row(first_job)),
        ],
    )


def _cold_row(row: Results) -> Row:
    return _spread(row["bare_ms"]), _spread(row["worker_ms"]), _ratio(row["ratio"])


def _table(head: Row, rows: Sequence[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


_THREE_DIGITS = 100


def _spread(values: Results) -> str:
    return " / ".join(
        f"{values[name]:.3g}" if values[name] < _THREE_DIGITS else f"{values[name]:.0f}"
        for name in ("minimum", "median", "p95")
    )


def _ratio(values: Results) -> str:
    return f"{values['minimum']:.2f} / **{values['median']:.2f}** / {values['p95']:.2f}"


def _mb(size: float) -> str:
    return f"{size / _MB:.0f}"


_SECTIONS: dict[str, tuple[str, str, Callable[[Results], str]]] = {
    "floor": (
        "Floor",
        """Each operation on a warm session, against the fewest commands that the protocol allows
(`bench/bare_*.py`). Once they are exchanged and no more: what is sent was written beforehand, and what comes
is not read. And once a client does the same work, from the variables to an equal result, by the standard
library and with nothing besides: no check, no limit, no mask. The goals are for the median to the same work.
On a loopback connection a round trip costs almost nothing, so this shows the worker's own work at its worst;
the next section shows it on a line.""",
        _floor,
    ),
    "wire": (
        "Commands and bytes",
        "Counted by a proxy between client and server, which also makes each answer late.",
        _wire,
    ),
    "growth": (
        "Growth",
        """A list shows 100 messages; a search finds one. Dovecot itself takes longer in larger folders: the
bare client shows by how much. Peak memory is that of Python objects during one operation.""",
        _growth,
    ),
    "jobs": (
        "Jobs",
        """Completed per second through Camunda's embedded engine, which always has more of them than the
worker takes at once. The engine runs on the same processors; its CPU time per job, which holds the process
instance around the job too, says how much of the limit is its own.""",
        _jobs,
    ),
    "fairness": (
        "Fairness",
        """Jobs for one server while older jobs wait for a slow one, against the same while as many jobs wait
that are nobody's: each that waits costs the embedded engine time, whatever the worker does.""",
        _fairness,
    ),
    "memory": ("Memory", "Resident size of the worker's process.", _memory),
    "cold": ("Cold", "From nothing.", _cold),
}
