"""Writes dates, times and durations: as `string()` does, and as Camunda writes them into variables."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from worker.feel.values import Months, Value, ZonedTime

_MICROSECOND = timedelta(microseconds=1)


def temporal_text(value: Value) -> str:
    """Return what `string()` gives, such as `10:00:00@Europe/Paris` or `P1DT2H`."""
    if type(value) is datetime and isinstance(value.tzinfo, ZoneInfo):
        return f"{_local_date_time(value)}@{value.tzinfo.key}"
    if type(value) is time:
        return _clock(value)
    return temporal_json(value)


def temporal_json(value: Value) -> str:
    """Return the text of a process variable, such as `2026-01-31T10:00:00+01:00[Europe/Paris]`."""
    match value:
        case datetime():
            return _local_date_time(value) + _date_time_zone(value)
        case date():
            return value.isoformat()
        case time():
            return _shortest_clock(value)
        case ZonedTime():
            return _clock(value.time) + (
                f"@{value.zone}" if value.zone else offset_text(value.offset_seconds)
            )
        case Months():
            return _months(value.total)
        case _:
            return _days_and_time(value)


def iso_text(value: Value) -> str:
    """Return what `to json()` writes: ISO 8601 with the offset of a time, never its zone."""
    match value:
        case ZonedTime():
            return _clock(value.time) + offset_text(value.offset_seconds)
        case time():
            return _clock(value)
        case Months() | timedelta():
            return _java_duration(value)
        case _:
            return temporal_json(value)


def offset_text(seconds: int) -> str:
    """Return `Z` or `+02:00`."""
    if not seconds:
        return "Z"
    hours, rest = divmod(abs(seconds), 3600)
    return f"{'-' if seconds < 0 else '+'}{hours:02}:{rest // 60:02}" + (
        f":{rest % 60:02}" if rest % 60 else ""
    )


def _date_time_zone(value: datetime) -> str:
    offset = value.utcoffset()
    if offset is None:
        return ""
    zone = f"[{value.tzinfo.key}]" if isinstance(value.tzinfo, ZoneInfo) else ""
    return offset_text(int(offset.total_seconds())) + zone


def _local_date_time(value: datetime) -> str:
    return f"{value.date().isoformat()}T{_clock(value.time())}"


def _clock(value: time) -> str:
    fraction = f".{value.microsecond:06}".rstrip("0") if value.microsecond else ""
    return f"{value.hour:02}:{value.minute:02}:{value.second:02}{fraction}"


def _shortest_clock(value: time) -> str:
    """Leave out seconds that are zero, and write a fraction in threes."""
    if not value.second and not value.microsecond:
        return f"{value.hour:02}:{value.minute:02}"
    return value.isoformat("milliseconds" if value.microsecond % 1000 == 0 and value.microsecond else "auto")


def _months(total: int) -> str:
    years, months = divmod(abs(total), 12)
    text = (f"{years}Y" if years else "") + (f"{months}M" if months else "")
    return f"{'-' if total < 0 else ''}P{text or '0Y'}"


def _days_and_time(value: timedelta) -> str:
    # The reference rounds fractions of a second down, as java.time's `getSeconds` does.
    total = abs(value // timedelta(seconds=1))
    days, rest = divmod(total, 86400)
    text = (f"{days}D" if days else "") + _time_part(rest)
    return f"{'-' if text and value < timedelta(0) else ''}P{text or '0D'}"


def _time_part(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    parts = ((hours, "H"), (rest // 60, "M"), (rest % 60, "S"))
    text = "".join(f"{amount}{unit}" for amount, unit in parts if amount)
    return f"T{text}" if text else ""


def _java_duration(value: Months | timedelta) -> str:
    """Write a duration as `java.time` does: each part has its own sign, and hours may pass 24."""
    if isinstance(value, Months):
        minus = "-" if value.total < 0 else ""
        years, months = divmod(abs(value.total), 12)
        text = "".join(f"{minus}{amount}{unit}" for amount, unit in ((years, "Y"), (months, "M")) if amount)
        return f"P{text or '0D'}"
    micros = abs(value) // _MICROSECOND
    minus = "-" if value < timedelta(0) else ""
    hours, rest = divmod(micros, 3_600_000_000)
    minutes, rest = divmod(rest, 60_000_000)
    seconds = f"{rest // 1_000_000}.{rest % 1_000_000:06}".rstrip("0").rstrip(".")
    parts = ((str(hours), "H"), (str(minutes), "M"), (seconds, "S"))
    text = "".join(f"{minus}{amount}{unit}" for amount, unit in parts if amount != "0")
    return f"PT{text or '0S'}"
