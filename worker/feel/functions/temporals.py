"""Functions on dates and times."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime
from decimal import Decimal

from worker.feel.run import Run
from worker.feel.signature import LIBRARY

# Not from strftime, which speaks the language of the machine.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@LIBRARY.add("now")
def _now(run: Run) -> datetime:
    return run.sources.now()


@LIBRARY.add("today")
def _today(run: Run) -> date:
    return run.sources.now().date()


@LIBRARY.add("day of year", "date: date | date and time")
def _day_of_year(_run: Run, day: date) -> Decimal:
    return Decimal(day.timetuple().tm_yday)


@LIBRARY.add("day of week", "date: date | date and time")
def _day_of_week(_run: Run, day: date) -> str:
    return _DAYS[day.weekday()]


@LIBRARY.add("month of year", "date: date | date and time")
def _month_of_year(_run: Run, day: date) -> str:
    return _MONTHS[day.month - 1]


@LIBRARY.add("week of year", "date: date | date and time")
def _week_of_year(_run: Run, day: date) -> Decimal:
    return Decimal(day.isocalendar().week)


@LIBRARY.add("last day of month", "date: date | date and time")
def _last_day_of_month(_run: Run, day: date) -> date:
    return date(day.year, day.month, monthrange(day.year, day.month)[1])
