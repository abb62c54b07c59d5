"""Arithmetic on dates, times and durations. What has no result (a month to a time of day) is null."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from worker.feel.temporal import at_zone
from worker.feel.values import DURATIONS, Months, Value, ZonedTime, whole

_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_START = datetime(1, 1, 1, tzinfo=UTC)


def add_temporal(left: Value, right: Value) -> Value:
    """Return `left + right` if one of them is a duration."""
    try:
        if type(left) is type(right):
            return left + right if type(left) in DURATIONS else None
        if type(left) in DURATIONS:
            left, right = right, left
        if type(right) is timedelta:
            return _move(left, right)
        return _move_months(left, right.total) if type(right) is Months else None
    except (OverflowError, ValueError):
        return None


def subtract_temporal(left: Value, right: Value) -> Value:
    """Return `left - right`: a point minus a duration, or the duration between two points of one kind."""
    try:
        if type(right) in DURATIONS:
            return add_temporal(left, -right)
        return _between(left, right) if type(left) is type(right) else None
    except (OverflowError, ValueError):
        return None


def multiply_duration(duration: Months | timedelta, factor: Decimal) -> Value:
    """Return the duration times the whole part of the factor."""
    try:
        return duration * whole(factor)
    except OverflowError:
        return None


def divide_duration(duration: Value, divisor: Value) -> Value:
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
    try:
        return _MILLISECOND * whole(milliseconds / divisor)
    except OverflowError:
        return None


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
    return timedelta(
        hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond
    )


def utc_clock(clock: ZonedTime) -> timedelta:
    """Return the time of day in UTC, which may lie before 0 or after 24 hours."""
    return _since_midnight(clock.time) - timedelta(seconds=clock.offset_seconds)


def instant(moment: datetime) -> timedelta:
    """Return how long a moment with a zone is after the start of year 1 in UTC."""
    return moment - _START
