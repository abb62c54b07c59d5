"""Limits that apply on every machine, also on a slow one: commands, round trips, octets and memory."""

from __future__ import annotations

from collections.abc import Iterator

from bench.counts import Count
from bench.memory import Memory
from bench.operations import OPERATIONS

_MB = 1_000_000
# Python objects of one operation in the largest folder, to those in the smallest.
_PEAK_RATIO = 3
_IDLE_BYTES = 100 * _MB
_AFTER_JOBS_RATIO = 1.25
_READING_RATIO = 2.0
_SENDS_RATIO = 1.02


def broken_counts(counts: dict[int, dict[str, Count]]) -> Iterator[str]:
    """Say what is over its limit in folders of any size, smallest first."""
    smallest = next(iter(counts.values()))
    for size, found in counts.items():
        for operation in OPERATIONS:
            count = found[operation.title]
            title = f"{operation.title}, folder of {size}"
            yield from _exceeded(
                f"{title}: commands ({', '.join(count.verbs)})", len(count.verbs), operation.commands
            )
            yield from _exceeded(f"{title}: round trips", count.round_trips, operation.round_trips)
            yield from _exceeded(f"{title}: octets", count.octets, operation.octets)
            peak_limit = smallest[operation.title].peak_bytes * _PEAK_RATIO
            yield from _exceeded(f"{title}: bytes of Python objects", count.peak_bytes, peak_limit)


def broken_memory(memory: Memory) -> Iterator[str]:
    """Say what is over its limit."""
    yield from _exceeded("resident bytes, idle", memory.idle, _IDLE_BYTES)
    yield from _exceeded(
        "resident bytes after jobs, to idle", memory.after_jobs / memory.idle, _AFTER_JOBS_RATIO
    )
    for (emails, octets), growth in memory.reading.items():
        title = f"memory to read {emails} emails of {octets} octets, to their size"
        yield from _exceeded(title, growth / (emails * octets), _READING_RATIO)
    growth_of_sends = memory.all_sends / memory.first_tenth_of_sends
    yield from _exceeded("resident bytes after all sends, to the first tenth", growth_of_sends, _SENDS_RATIO)


def _exceeded(title: str, found: float, limit: float) -> Iterator[str]:
    if found > limit:
        yield f"{title}: {found:g}, and the limit is {limit:g}"
