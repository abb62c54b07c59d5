"""Writes dates, times and durations: as `string()` does, and as Camunda writes them into variables."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from worker.feel.values import Months, Value, ZonedTime

_MICROSECOND = timedelta(microseconds=1)


def temporal_text(value: Value) -> str:
    """Return what `string()` gives, such as `10:00:00@Europe/Paris` or `P1DT2H`."""
    if type(value) is datetime and isinstance(value.tzinfo, ZoneInfo):
        return f"{_local(value)}@{value.tzinfo.key}"
    if type(value) is time:
        return _local(value)
    return temporal_json(value)


def temporal_json(value: Value) -> str:
    """Return the text of a process variable, such as `2026-01-31T10:00:00+01:00[Europe/Paris]`."""
    match value:
        case datetime():
            return _local(value) + _date_time_zone(value)
        case date():
            return value.isoformat()
        case time():
            return _shortest_clock(value)
        case ZonedTime():
            return _local(value.time) + (
                f"@{value.zone}" if value.zone else _offset_text(value.offset_seconds)
            )
        case Months():
            return _months(value.total)
        case _:
            return _days_and_time(value)


def iso_text(value: Value) -> str:
    """Return what `to json()` writes: ISO 8601 with the offset of a time, never its zone."""
    match value:
        case ZonedTime():
            return _local(value.time) + _offset_text(value.offset_seconds)
        case time():
            return _local(value)
        case Months() | timedelta():
            return _java_duration(value)
        case _:
            return temporal_json(value)


def _offset_text(seconds: int) -> str:
    """Return `Z` or `+02:00`."""
    return timezone(timedelta(seconds=seconds)).tzname(None).removeprefix("UTC") or "Z"


def _date_time_zone(value: datetime) -> str:
    offset = value.utcoffset()
    if offset is None:
        return ""
    zone = f"[{value.tzinfo.key}]" if isinstance(value.tzinfo, ZoneInfo) else ""
    return _offset_text(int(offset.total_seconds())) + zone


def _local(value: datetime | time) -> str:
    """Write all but the zone, with only as many digits of a fraction as it needs."""
    text = value.replace(tzinfo=None).isoformat()
    return text.rstrip("0") if value.microsecond else text


def _shortest_clock(value: time) -> str:
    """Leave out seconds that are zero, and write a fraction in threes."""
    if not value.second and not value.microsecond:
        return value.isoformat("minutes")
    return value.isoformat("milliseconds" if value.microsecond % 1000 == 0 and value.microsecond else "auto")


def _months(total: int) -> str:
    text = _units((abs(total) // 12, "Y"), (abs(total) % 12, "M"))
    return f"{'-' if total < 0 else ''}P{text or '0Y'}"


def _days_and_time(value: timedelta) -> str:
    # The reference rounds fractions of a second down, as java.time's `getSeconds` does.
    days, seconds = divmod(abs(value // timedelta(seconds=1)), 86400)
    clock = _units((seconds // 3600, "H"), (seconds // 60 % 60, "M"), (seconds % 60, "S"))
    text = _units((days, "D")) + (clock and f"T{clock}")
    return f"{'-' if text and value < timedelta(0) else ''}P{text or '0D'}"


def _java_duration(value: Months | timedelta) -> str:
    """Write a duration as `java.time` does: each part has its own sign, and hours may pass 24."""
    if isinstance(value, Months):
        years, months = divmod(abs(value.total), 12)
        text = _units((years, "Y"), (months, "M"), minus="-" if value.total < 0 else "")
        return f"P{text or '0D'}"
    minutes, rest = divmod(abs(value) // _MICROSECOND, 60_000_000)
    seconds = f"{rest // 1_000_000}.{rest % 1_000_000:06}".rstrip("0").rstrip(".") if rest else 0
    minus = "-" if value < timedelta(0) else ""
    text = _units((minutes // 60, "H"), (minutes % 60, "M"), (seconds, "S"), minus=minus)
    return f"PT{text or '0S'}"


def _units(*amounts: tuple[int | str, str], minus: str = "") -> str:
    """Write each amount that is not zero before its unit."""
    return "".join(f"{minus}{amount}{unit}" for amount, unit in amounts if amount)
