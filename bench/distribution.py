"""Minimum, median and 95th percentile of samples, and the ratio of two such."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Distribution:
    """What is told of samples; the unit is theirs."""

    minimum: float
    median: float
    p95: float
    samples: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Distribution:
        """Sum up at least one sample."""
        return cls(min(samples), percentile(samples, 50), percentile(samples, 95), len(samples))

    def ratio_to(self, base: Distribution) -> dict[str, float]:
        """Minimum to minimum, median to median, 95th percentile to 95th percentile."""
        return {
            "minimum": self.minimum / base.minimum,
            "median": self.median / base.median,
            "p95": self.p95 / base.p95,
        }

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def percentile(samples: Sequence[float], percent: float) -> float:
    """The sample that `percent` of all do not exceed (nearest rank); the median is between two middles."""
    ordered = sorted(samples)
    if percent == 50 and len(ordered) % 2 == 0:  # noqa: PLR2004 - the median
        middle = len(ordered) // 2
        return (ordered[middle - 1] + ordered[middle]) / 2
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
