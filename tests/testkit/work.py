"""How much work something is, told without a clock: by calls, or by its growth with the input."""

from __future__ import annotations

import cProfile
import time
from collections.abc import Callable

# Less processor time than that is noise.
_NOISE_SECONDS = 0.01
# Linear work is four times as much for four times the input, quadratic work sixteen times.
TIMES_LARGER = 4
LINEAR = 8


def calls_of(work: Callable[[], object]) -> int:
    """Count the calls of functions, Python's own included."""
    profile = cProfile.Profile()
    profile.enable()
    try:
        work()
    finally:
        profile.disable()
    return sum(entry.callcount for entry in profile.getstats())


def growth_of(small: Callable[[], object], large: Callable[[], object]) -> float:
    """Return how many times as much processor time `large` takes: a ratio, the same on every machine."""
    most = _processor_seconds(large)
    if most <= _NOISE_SECONDS * TIMES_LARGER:  # no time of the small one makes that a larger ratio
        return most / _NOISE_SECONDS
    least = max(min(_processor_seconds(small) for _ in range(3)), _NOISE_SECONDS)
    if most / least >= LINEAR:  # once more: the machine may have had other work
        most = min(most, _processor_seconds(large))
    return most / least


def _processor_seconds(work: Callable[[], object]) -> float:
    started_at = time.process_time()
    work()
    return time.process_time() - started_at
