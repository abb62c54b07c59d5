"""How much is measured: all of it, or what fits into a minute."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JobLevel:
    """So many jobs, worked on by so many at once."""

    at_once: int
    jobs: int


@dataclass(frozen=True)
class Scale:
    """Sizes and counts of every part."""

    folder_messages: int = 10_000
    floor_rounds: int = 100
    # A send takes a fraction of a millisecond: a hundred would be over before the processors are in stride.
    send_rounds: int = 2_000
    delays_seconds: tuple[float, ...] = (0.0, 0.005, 0.05)
    wire_rounds: int = 7
    growth_sizes: tuple[int, ...] = (100, 1_000, 10_000, 100_000)
    growth_rounds: int = 15
    job_levels: tuple[JobLevel, ...] = (JobLevel(1, 500), JobLevel(8, 2_000), JobLevel(64, 3_000))
    job_rounds: int = 3
    fair_jobs: int = 2_000
    slow_jobs: int = 200
    fair_rounds: int = 2
    memory_jobs: int = 10_000
    large_messages: int = 10
    large_message_bytes: int = 25_000_000
    sends: int = 100_000
    cold_rounds: int = 10


FULL = Scale()
QUICK = Scale(
    folder_messages=1_000,
    floor_rounds=10,
    send_rounds=10,
    delays_seconds=(0.0,),
    wire_rounds=2,
    growth_sizes=(100, 1_000),
    growth_rounds=3,
    job_levels=(JobLevel(8, 100),),
    job_rounds=1,
    fair_jobs=100,
    slow_jobs=40,
    fair_rounds=1,
    memory_jobs=200,
    large_messages=3,
    sends=2_000,
    cold_rounds=2,
)
