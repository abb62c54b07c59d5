"""The properties of dates, times and durations: `.year`, `.time offset`."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from worker.feel.values import Months, Value, ZonedTime

_DATE_PARTS = frozenset({"year", "month", "day"})
_TIME_PARTS = frozenset({"hour", "minute", "second"})
_PARTS = {date: _DATE_PARTS, time: _TIME_PARTS, datetime: _DATE_PARTS | _TIME_PARTS}
_UNITS = {"days": (86400, None), "hours": (3600, 24), "minutes": (60, 60), "seconds": (1, 60)}


def property_of(value: Value, name: str) -> Value:
    """Return the property, or null if the value has none of that name."""
    if name in _PARTS.get(type(value), ()):
        return Decimal(getattr(value, name))
    match value:
        case date() if name == "weekday":
            return Decimal(value.isoweekday())
        case datetime() if (offset := value.utcoffset()) is not None:
            return _zone(name, int(offset.total_seconds()), getattr(value.tzinfo, "key", None))
        case ZonedTime():
            zone = _zone(name, value.offset_seconds, value.zone)
            return property_of(value.time, name) if zone is None else zone
        case Months():
            return _months_property(value, name)
        case timedelta():
            return _duration_property(value, name)
        case _:
            return None


def _zone(name: str, offset_seconds: int, zone: str | None) -> Value:
    if name == "time offset":
        return timedelta(seconds=offset_seconds)
    return zone if name == "timezone" else None


def _months_property(value: Months, name: str) -> Value:
    # Both parts carry the sign, as in java.time.Period.
    sign = -1 if value.total < 0 else 1
    parts = {"years": abs(value.total) // 12, "months": abs(value.total) % 12}
    return Decimal(sign * parts[name]) if name in parts else None


def _duration_property(value: timedelta, name: str) -> Value:
    if name not in _UNITS:
        return None
    unit, wrap = _UNITS[name]
    sign = -1 if value < timedelta(0) else 1
    # The reference rounds fractions of a second down, as java.time's `getSeconds` does.
    amount = abs(value // timedelta(seconds=1)) // unit
    return Decimal(sign * (amount % wrap if wrap else amount))
