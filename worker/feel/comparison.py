"""Equality, order and logic. Values of different kinds are neither equal nor unequal: that is null."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from worker.feel.arithmetic import instant, utc_clock
from worker.feel.run import Run
from worker.feel.values import Function, FunctionContext, Months, Range, Value, ZonedTime

_ORDERED = frozenset({Decimal, str, date, time, ZonedTime, datetime, Months, timedelta})
KINDS = {
    type(None): "null",
    Decimal: "number",
    bool: "boolean",
    str: "string",
    date: "date",
    time: "time",
    ZonedTime: "time",
    datetime: "date and time",
    Months: "years and months duration",
    timedelta: "days and time duration",
    tuple: "list",
    dict: "context",
    FunctionContext: "context",
    Range: "range",
    Function: "function",
}
"""The name of each type of values, as `instance of` knows it."""


def is_same_order(left: Value, right: Value) -> bool:
    """Whether the two have an order: one kind, and for date-times and times both with or without zone."""
    kind = type(left)
    if kind is not type(right) or kind not in _ORDERED:
        return False
    return kind is not datetime or (left.tzinfo is None) == (right.tzinfo is None)


def order_key(value: Value) -> Value:
    """Return what Python orders as FEEL orders the value; only keys of one kind may be compared."""
    kind = type(value)
    if kind is ZonedTime:
        return utc_clock(value)
    if kind is datetime and value.tzinfo is not None:
        return (instant(value), value.replace(tzinfo=None), str(value.tzinfo))
    return value


def less(left: Value, right: Value, run: Run) -> bool | None:
    """Return `left < right`, or null if they have no order."""
    if type(left) is str:
        run.compare(left)
    return bool(order_key(left) < order_key(right)) if is_same_order(left, right) else None


def equal(left: Value, right: Value, run: Run) -> bool | None:
    """Return `left = right`; null equals only null; different kinds give null."""
    if left is None or right is None:
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return _equal_contexts(left, right, run)
    kind = type(left)
    if kind is not type(right):
        return None
    if kind is tuple:
        return _equal_lists(left, right, run)
    if kind in (bool, ZonedTime):
        return bool(left == right)
    if kind is str:
        run.compare(left)
    return bool(order_key(left) == order_key(right)) if is_same_order(left, right) else None


def _equal_lists(left: tuple[Value, ...], right: tuple[Value, ...], run: Run) -> bool:
    run.spend(1 + 2 * min(len(left), len(right)))
    return len(left) == len(right) and all(equal(a, b, run) is True for a, b in zip(left, right, strict=True))


def _equal_contexts(left: dict[str, Value], right: dict[str, Value], run: Run) -> bool:
    run.spend(1 + 2 * min(len(left), len(right)))
    return left.keys() == right.keys() and all(equal(left[key], right[key], run) is True for key in left)


def contains(items: tuple[Value, ...], value: Value, run: Run) -> bool:
    """Whether one of the items equals the value."""
    run.spend(len(items))
    return any(equal(item, value, run) is True for item in items)


def compare(operator: str, left: Value, right: Value, run: Run) -> bool | None:
    """Return `left operator right` for `=`, `!=`, `<`, `<=`, `>`, `>=`; null if they cannot be compared."""
    match operator:
        case "=" | "!=":
            answer = equal(left, right, run)
        case "<" | ">=":
            answer = less(left, right, run)
        case _:
            answer = less(right, left, run)
    return answer if answer is None or operator in {"=", "<", ">"} else not answer


def range_between(start: Value, end: Value, *, has_start: bool, has_end: bool) -> Range | None:
    """Return the range, or null if its ends are of different kinds or have no order."""
    is_range = type(start) is not str and is_same_order(start, end)
    return Range(start, end, has_start, has_end) if is_range else None


def is_in(value: Value, within: Range, run: Run) -> bool | None:
    """Whether the value is in the range; null if it is of another kind."""
    is_after = compare(">=" if within.has_start else ">", value, within.start, run)
    is_before = compare("<=" if within.has_end else "<", value, within.end, run)
    return None if is_after is None or is_before is None else is_after and is_before


def decide(values: Iterable[Value], *, decisive: bool) -> bool | None:
    """Return `decisive` if one value is that, else null if one is no boolean, else the opposite.

    With True this is `or`, with False `and`. What comes behind a decisive value is not evaluated.
    """
    has_other = False
    for value in values:
        if type(value) is not bool:
            has_other = True
        elif value == decisive:
            return decisive
    return None if has_other else not decisive
