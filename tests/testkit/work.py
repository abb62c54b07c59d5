"""How much work something is, told without a clock: by calls, or by its growth with the input."""

from __future__ import annotations

import cProfile
import math
import time
import timeit
from collections.abc import Callable

# Less processor time than that is noise.
_NOISE_SECONDS = 0.001
# Linear work is eight times as much for eight times the input, quadratic work 64 times.
TIMES_LARGER = 8
LINEAR = 24
# How often both are measured before a larger ratio is believed: a busy machine takes time away by chance.
_ROUNDS = 10


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
    most = least = ratio = math.inf
    for _ in range(_ROUNDS):
        most = min(most, _processor_seconds(large))
        least = min(least, _processor_seconds(small))
        ratio = most / max(least, _NOISE_SECONDS)
        if ratio < LINEAR:
            break
    return ratio


def _processor_seconds(work: Callable[[], object]) -> float:
    # timeit stops the garbage collector, which would read all that other tests left in memory.
    return timeit.timeit(work, timer=time.process_time, number=1)
