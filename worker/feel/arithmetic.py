"""`+ - * / **` and `-a`, by the kinds of their operands. What has no result is null.

A month has no length, so only dates and date-times move by months.
"""

from __future__ import annotations

import math
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from worker.feel.error import FeelError
from worker.feel.json_values import from_double
from worker.feel.run import Run
from worker.feel.temporal import at_zone
from worker.feel.values import DURATIONS, Months, Value, ZonedTime, whole

_MAX_EXPONENT = 999_999_999
_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_ADDED = DURATIONS | {Decimal, str}
_START = datetime(1, 1, 1, tzinfo=UTC)


def operate(operator: str, left: Value, right: Value, run: Run) -> Value:
    """Return `left operator right`; a date, time or duration that is out of bounds is null too."""
    if operator == "+" and type(left) is str and type(right) is str:
        run.reserve(len(left) + len(right))
    try:
        return _OPERATORS[operator](left, right)
    except (OverflowError, ValueError):
        return None


def _add(left: Value, right: Value) -> Value:
    """Return the sum of numbers or durations, the joined texts, or the moved point of time."""
    if type(left) is type(right):
        return left + right if type(left) in _ADDED else None
    if type(left) in DURATIONS:
        left, right = right, left
    if type(right) is timedelta:
        return _move(left, right)
    return _move_months(left, right.total) if type(right) is Months else None


def _subtract(left: Value, right: Value) -> Value:
    """Return the difference of numbers, the moved point of time, or the duration between two of one kind."""
    if type(right) in DURATIONS:
        return _add(left, -right)
    if type(left) is not type(right):
        return None
    return left - right if type(left) is Decimal else _between(left, right)


def _multiply(left: Value, right: Value) -> Value:
    """Return the product of numbers, or the whole part of a number times a duration."""
    if type(left) is Decimal and type(right) is Decimal:
        return left * right
    if type(right) in DURATIONS:
        left, right = right, left
    return left * whole(right) if type(left) in DURATIONS and type(right) is Decimal else None


def _divide(left: Value, right: Value) -> Value:
    """Return the quotient; a division by zero is null."""
    if type(left) is Decimal:
        return left / right if type(right) is Decimal and right else None
    return _divide_duration(left, right) if type(left) in DURATIONS else None


def _power(left: Value, right: Value) -> Value:
    """Return `left` to the power of `right`; a fractional power is computed in doubles."""
    if type(left) is not Decimal or type(right) is not Decimal:
        return None
    if abs(right) > _MAX_EXPONENT:
        raise FeelError(f"The exponent {right} is too large.")
    if right == right.to_integral_value():
        exponent = whole(right)
        return left**exponent if exponent else Decimal(1)
    try:
        return from_double(math.pow(left, right))
    except (OverflowError, ValueError) as error:
        raise FeelError(f"{left} ** {right} has no value.") from error


_OPERATORS: dict[str, Callable[[Value, Value], Value]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "**": _power,
}


def _divide_duration(duration: Value, divisor: Value) -> Value:
    """Return a duration by a number, or how often one duration is in another (a whole number)."""
    if isinstance(duration, Months):
        if isinstance(divisor, Months):
            return _quotient(duration.total, divisor.total)
        return Months(whole(duration.total / divisor)) if type(divisor) is Decimal and divisor else None
    milliseconds = duration // _MILLISECOND
    if type(divisor) is timedelta:
        return _quotient(milliseconds, divisor // _MILLISECOND)
    if type(divisor) is not Decimal or not divisor:
        return None
    return _MILLISECOND * whole(milliseconds / divisor)


def _quotient(dividend: int, divisor: int) -> Decimal | None:
    if not divisor:
        return None
    size = abs(dividend) // abs(divisor)
    return Decimal(size if (dividend < 0) == (divisor < 0) else -size)


def _move(point: Value, span: timedelta) -> Value:
    kind = type(point)
    if kind is datetime:
        # With a zone the clock of the zone counts: an hour later is an hour later.
        return (
            point + span if point.tzinfo is None else (point.astimezone(UTC) + span).astimezone(point.tzinfo)
        )
    if kind is date:
        return (datetime.combine(point, time()) + span).date()
    if kind is time:
        return _turn(point, span)
    return ZonedTime(_turn(point.time, span), point.offset_seconds, point.zone) if kind is ZonedTime else None


def _turn(clock: time, span: timedelta) -> time:
    return (datetime.combine(date(2000, 1, 1), clock) + span % _DAY).time()


def _move_months(point: Value, months: int) -> Value:
    if type(point) not in (date, datetime):
        return None
    year, month = divmod(point.year * 12 + point.month - 1 + months, 12)
    if not date.min.year <= year <= date.max.year:
        return None
    day = min(point.day, monthrange(year, month + 1)[1])
    moved = point.replace(year=year, month=month + 1, day=day)
    return at_zone(moved, point.tzinfo) if type(point) is datetime and point.tzinfo else moved


def _between(left: Value, right: Value) -> Value:
    kind = type(left)
    if kind is datetime:
        if (left.tzinfo is None) != (right.tzinfo is None):
            return None
        return left - right if left.tzinfo is None else instant(left) - instant(right)
    if kind is date:
        return left - right
    if kind is time:
        return _since_midnight(left) - _since_midnight(right)
    return abs(utc_clock(left) - utc_clock(right)) if kind is ZonedTime else None


def _since_midnight(clock: time) -> timedelta:
    return datetime.combine(date.min, clock) - datetime.combine(date.min, time())


def utc_clock(clock: ZonedTime) -> timedelta:
    """Return the time of day in UTC, which may lie before 0 or after 24 hours."""
    return _since_midnight(clock.time) - timedelta(seconds=clock.offset_seconds)


def instant(moment: datetime) -> timedelta:
    """Return how long a moment with a zone is after the start of year 1 in UTC."""
    return moment - _START
