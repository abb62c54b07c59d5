"""Functions on ranges and points (Allen's relations).

Each end of a range is a pair of its value and of how far the end lies from that value: 0 if the value
is in, 1 above it for an open start, -1 below it for an open end. So pairs compare as the ends do, and a
point is a range of itself.
"""

from __future__ import annotations

from collections.abc import Callable

from worker.feel.comparison import is_same_order, order_key
from worker.feel.signature import builtin
from worker.feel.values import Range, Value

_TYPES = {"point": "number | date | time | date and time | days | months", "range": "range"}
_End = tuple[Value, int]
_Relation = Callable[[_End, _End, _End, _End], bool]


def _ends(value: Value) -> tuple[_End, _End]:
    if isinstance(value, Range):
        return (order_key(value.start), int(not value.has_start)), (
            order_key(value.end),
            -int(not value.has_end),
        )
    return (order_key(value), 0), (order_key(value), 0)


def _first(value: Value) -> Value:
    return value.start if isinstance(value, Range) else value


def _add(name: str, relation: _Relation, *signatures: tuple[str, str]) -> None:
    """Declare a function under each pair of parameter names; each place takes what any of its names says."""
    types = [
        " | ".join(dict.fromkeys(_TYPES[name.rstrip("12")] for name in place))
        for place in zip(*signatures, strict=True)
    ]
    for names in signatures:

        @builtin(name, *(f"{parameter}: {kind}" for parameter, kind in zip(names, types, strict=True)))
        def _(left: Value, right: Value) -> bool | None:
            return (
                relation(*_ends(left), *_ends(right)) if is_same_order(_first(left), _first(right)) else None
            )


def _is_overlapping_before(start: _End, end: _End, other_start: _End, other_end: _End) -> bool:
    return start < other_start <= end <= other_end


_RANGES = ("range1", "range2")
_POINTS = ("point1", "point2")
_POINT_RANGE = ("point", "range")
_RANGE_POINT = ("range", "point")

# a and b are start and end of the first argument, c and d those of the second.
_add("before", lambda _a, b, c, _d: b < c, _POINTS, _POINT_RANGE, _RANGE_POINT, _RANGES)
_add("after", lambda a, _b, _c, d: a > d, _POINTS, _POINT_RANGE, _RANGE_POINT, _RANGES)
_add("meets", lambda _a, b, c, _d: b == c, _RANGES)
_add("met by", lambda a, _b, _c, d: a == d, _RANGES)
_add("overlaps", lambda a, b, c, d: b >= c and a <= d, _RANGES)
_add("overlaps before", _is_overlapping_before, _RANGES)
_add("overlaps after", lambda a, b, c, d: _is_overlapping_before(c, d, a, b), _RANGES)
_add("finishes", lambda a, b, c, d: b == d and a >= c, _POINT_RANGE, _RANGES)
_add("finished by", lambda a, b, c, d: b == d and a <= c, _RANGE_POINT, _RANGES)
_add("includes", lambda a, b, c, d: a <= c and b >= d, _RANGE_POINT, _RANGES)
_add("during", lambda a, b, c, d: c <= a and d >= b, _POINT_RANGE, _RANGES)
_add("starts", lambda a, b, c, d: a == c and b <= d, _POINT_RANGE, _RANGES)
_add("started by", lambda a, b, c, d: a == c and d <= b, _RANGE_POINT, _RANGES)
_add("coincides", lambda a, b, c, d: a == c and b == d, _POINTS, _RANGES)
