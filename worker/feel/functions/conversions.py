"""Functions that make a value of one kind from another."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import NoReturn

from worker.feel.error import FeelError
from worker.feel.json_values import from_double, from_json
from worker.feel.run import Run
from worker.feel.signature import builtin
from worker.feel.temporal import at_zone, parse_date, parse_date_time, parse_duration, parse_time, parse_zone
from worker.feel.text import json_text, text_of
from worker.feel.values import Months, Value, ZonedTime, number_of, whole

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
_GROUPING = (" ", ",", ".")
_DECIMAL = (",", ".")


@builtin("date", "from: string | date | date and time")
def _date(value: str | date) -> date | None:
    if isinstance(value, str):
        return parse_date(value)
    return value.date() if isinstance(value, datetime) else value


@builtin("date", "year: number", "month: number", "day: number")
def _date_of_parts(year: Decimal, month: Decimal, day: Decimal) -> date | None:
    try:
        return date(whole(year), whole(month), whole(day))
    except (OverflowError, ValueError):
        return None


builtin("date and time", "from: string")(parse_date_time)
builtin("duration", "from: string")(parse_duration)


@builtin("date and time", "date: date | date and time", "time: time | string")
def _date_and_time_of_parts(day: date, clock: time | ZonedTime | str) -> datetime | None:
    if isinstance(clock, str):
        return _in_zone(day, clock)
    local_date = day.date() if isinstance(day, datetime) else day
    if isinstance(clock, time):
        return datetime.combine(local_date, clock)
    zone = parse_zone(clock.zone) if clock.zone else timezone(timedelta(seconds=clock.offset_seconds))
    return at_zone(datetime.combine(local_date, clock.time), zone or UTC)


def _in_zone(moment: date, name: str) -> datetime | None:
    """Return the moment in the zone; a local one is taken to be the zone's own."""
    if not isinstance(moment, datetime):
        return None
    zone = parse_zone(name)
    if zone is None:
        raise FeelError(f"There is no time zone {name!r}.")
    return moment.astimezone(zone) if moment.tzinfo else at_zone(moment, zone)


@builtin("time", "from: string | date | date and time")
def _time(value: str | date) -> time | ZonedTime | None:
    if isinstance(value, str):
        return parse_time(value)
    if not isinstance(value, datetime):
        return ZonedTime(time(), 0)
    offset = value.utcoffset()
    if offset is None:
        return value.time()
    return ZonedTime(value.time(), int(offset.total_seconds()), getattr(value.tzinfo, "key", None))


@builtin("time", "hour: number", "minute: number", "second: number", "", "offset: days | null")
def _time_of_parts(hour: Decimal, minute: Decimal, second: Decimal, offset: timedelta | None = None) -> Value:
    try:
        clock = time(whole(hour), whole(minute), whole(second), int(second % 1 * 1_000_000))
        if offset is None:
            return clock
        return ZonedTime(clock, int(offset.total_seconds())) if abs(offset) <= timedelta(hours=18) else None
    except (OverflowError, ValueError):
        return None


@builtin("years and months duration", "from: date | date and time", "to: date | date and time")
def _years_and_months_duration(start: date, end: date) -> Months:
    total = (end.year - start.year) * 12 + end.month - start.month
    if total > 0 and end.day < start.day:
        total -= 1
    elif total < 0 and end.day > start.day:
        total += 1
    return Months(total)


@builtin("number", "from: string")
def _number(text: str) -> Decimal | None:
    return number_of(text) if _NUMBER.fullmatch(text) else None


@builtin("number", "from: string", "grouping separator: string")
@builtin("number", "from: string", "grouping separator: string | null", "decimal separator: string | null")
def _number_with_separators(text: str, grouping: str | None, decimal: str | None = None) -> Decimal | None:
    is_known = grouping in (*_GROUPING, None) and decimal in (*_DECIMAL, None)
    if not is_known or grouping == decimal:
        return None
    ungrouped = text.replace(grouping, "") if grouping else text
    return _number(ungrouped.replace(decimal, ".") if decimal else ungrouped)


@builtin("string", "from", needs_run=True)
def _string(run: Run, value: Value) -> str | None:
    return value if value is None or isinstance(value, str) else text_of(value, run)


@builtin("to json", "value", needs_run=True)
def _to_json(run: Run, value: Value) -> str:
    return json_text(value, run)


@builtin("from json", "json: string", needs_run=True)
def _from_json(run: Run, text: str) -> Value:
    # Each value but the first stands behind one of these; counted before the values are made.
    run.spend(sum(map(text.count, "[{,:")))
    try:
        return from_json(json.loads(text, parse_int=number_of, parse_float=_double, parse_constant=_refuse))
    except ValueError:
        return None


def _double(text: str) -> Decimal | None:
    return from_double(float(text))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
