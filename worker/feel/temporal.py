"""Reads dates, times and durations from text, as java.time does.

Intended differences from java.time: years 1 to 9999, microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from worker.feel.values import Months, Value, ZonedTime

_DATE = re.compile(r"([0-9]{4})-([01][0-9])-([0-3][0-9])")
_CLOCK = r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?(?:\.([0-9]{1,9}))?"
_TIME = re.compile(rf"T?{_CLOCK}")
_MIDNIGHT = re.compile(r"^(T?)24(?=:00(?::00(?:\.0+)?)?(?:[Z@+-]|$))")
_OFFSET_TIME = re.compile(r"T?([0-9:]{8}(?:\.[0-9]{1,9})?)([+-][0-9]{2}:[0-9]{2}|Z|@.+)")
_DATE_TIME = re.compile(rf"([0-9-]{{10}})T({_CLOCK})([+-][0-9]{{2}}:[0-9]{{2}}|Z|@.+)?")
_MONTHS = re.compile(r"(-?)P(-?)(?:([0-9]{1,9})Y)?(-?)(?:([0-9]{1,9})M)?")
_SECONDS = re.compile(
    r"([+-]?)P(?:([+-]?[0-9]{1,12})D)?"
    r"(?:T(?:([+-]?[0-9]{1,12})H)?(?:([+-]?[0-9]{1,12})M)?(?:([+-]?[0-9]{1,12})(?:[.,]([0-9]{0,9}))?S)?)?",
    re.IGNORECASE,
)
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
_OFFSET = re.compile(r"([+-])([0-9]{2}):([0-5][0-9])")
_MAX_OFFSET = timedelta(hours=18)


def parse_date(text: str) -> date | None:
    """Read `2020-01-31`; anything else is null."""
    found = _DATE.fullmatch(text)
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def parse_time(text: str) -> time | ZonedTime | None:
    """Read a time, with an offset or `@zone` or without; 24:00 is midnight."""
    text = _MIDNIGHT.sub(r"\g<1>00", text)
    found = _OFFSET_TIME.fullmatch(text)
    if not found:
        return _parse_local_time(text)
    local, zone = _parse_local_time(found[1]), parse_zone(found[2].removeprefix("@"))
    if local is None or zone is None:
        return None
    if isinstance(zone, ZoneInfo):
        return ZonedTime(local, _standard_offset_seconds(zone), zone.key)
    return ZonedTime(local, _seconds(zone.utcoffset(None)))


def _parse_local_time(text: str) -> time | None:
    found = _TIME.fullmatch(text)
    if not found:
        return None
    hour, minute, second, fraction = found.groups()
    try:
        return time(int(hour), int(minute), int(second or 0), _microseconds(fraction))
    except ValueError:
        return None


def _microseconds(fraction: str | None) -> int:
    return int((fraction or "")[:6].ljust(6, "0"))


def parse_date_time(text: str) -> datetime | None:
    """Read a date-time, or a date as its midnight."""
    day = parse_date(text)
    if day:
        return datetime.combine(day, time())
    found = _DATE_TIME.fullmatch(text)
    if not found:
        return None
    day, clock = parse_date(found[1]), _parse_local_time(found[2])
    if day is None or clock is None:
        return None
    if found[7] is None:
        return datetime.combine(day, clock)
    zone = parse_zone(found[7].removeprefix("@"))
    return None if zone is None else at_zone(datetime.combine(day, clock), zone)


def at_zone(local: datetime, zone: tzinfo) -> datetime:
    """Give a local date-time its zone; a time that the clock skips moves on, as in java.time."""
    try:
        aware = local.replace(tzinfo=zone)
        return aware.astimezone(UTC).astimezone(zone)
    except OverflowError:
        return aware


def parse_zone(name: str) -> tzinfo | None:
    """Return the zone for an offset (`Z`, `+02:00`) or for a name of the IANA database."""
    if name == "Z":
        return UTC
    offset = _OFFSET.fullmatch(name)
    if offset:
        size = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-size if offset[1] == "-" else size) if size <= _MAX_OFFSET else None
    if not _ZONE_NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return None


def _standard_offset_seconds(zone: ZoneInfo) -> int:
    """Return the zone's offset without summer time: a time of day with a zone has no date to ask for."""
    winter = datetime(2020, 1, 1, tzinfo=zone)
    summer = datetime(2020, 7, 1, tzinfo=zone)
    chosen = winter if not winter.dst() else summer
    return _seconds(chosen.utcoffset())


def _seconds(offset: timedelta | None) -> int:
    return int(offset.total_seconds()) if offset else 0


def parse_duration(text: str) -> Months | timedelta | None:
    """Read a duration of either kind (ISO 8601)."""
    found = _MONTHS.fullmatch(text)
    if found:
        sign, year_sign, years, month_sign, months = found.groups()
        if years is None and months is None:
            return None
        total = int(year_sign + (years or "0")) * 12 + int(
            (month_sign if years else year_sign or month_sign) + (months or "0")
        )
        return Months(-total if sign else total)
    found = _SECONDS.fullmatch(text)
    if not found or text.upper().endswith(("P", "T")):
        return None
    sign, days, hours, minutes, seconds, fraction = found.groups()
    micros = _microseconds(fraction) * (-1 if (seconds or "").startswith("-") else 1)
    try:
        span = timedelta(
            int(days or 0), int(seconds or 0), micros, minutes=int(minutes or 0), hours=int(hours or 0)
        )
    except OverflowError:
        return None
    return -span if sign == "-" else span


def parse_temporal(text: str) -> Value:
    """Read what stands in `@"…"`; a duration there has no plus sign and no small letters."""
    parsers: list[Callable[[str], Value]] = [parse_date, parse_date_time, parse_time]
    if "+" not in text and text == text.upper():
        parsers.append(parse_duration)
    values = (parse(text) for parse in parsers)
    return next((value for value in values if value is not None), None)
