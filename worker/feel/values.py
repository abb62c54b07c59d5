"""The values of FEEL.

null, booleans and strings are Python's own; a number is a Decimal; a list is a tuple; a context is a
dict that is never changed; date, local time and local date-time are those of `datetime`, a date-time
with an offset or zone is an aware `datetime`, a days-and-time duration is a `timedelta`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from worker.feel.error import FeelError
from worker.feel.run import Run

Value = Any
"""Any of the values named above; `Any` because the language itself is not typed."""

# IEEE 754 decimal128, as the reference; exponents are bounded so that no number can fill the memory.
ARITHMETIC = Context(
    prec=34, Emax=999_999_999, Emin=-999_999_999, traps=[DivisionByZero, InvalidOperation, Overflow]
)
_MAX_WHOLE_DIGITS = 18
_MAX_EXACT_LENGTH = 100


@dataclass(frozen=True, slots=True, order=True)
class Months:
    """A years-and-months duration; it counts as a `timedelta` does."""

    total: int

    def __neg__(self) -> Months:
        return Months(-self.total)

    def __abs__(self) -> Months:
        return Months(abs(self.total))

    def __add__(self, other: Months) -> Months:
        return Months(self.total + other.total)

    def __mul__(self, factor: int) -> Months:
        return Months(self.total * factor)


DURATIONS = frozenset({Months, timedelta})


@dataclass(frozen=True, slots=True)
class ZonedTime:
    """A time of day with an offset from UTC, and the name of its zone if it was given by one."""

    time: time
    offset_seconds: int
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """A range between two values of one kind, each end in or out."""

    start: Value
    end: Value
    has_start: bool
    has_end: bool


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function that the expression defines; `call` takes the run and the arguments."""

    parameters: tuple[str, ...]
    call: Callable[[Run, tuple[Value, ...]], Value]


class FunctionContext(dict[str, Value]):
    """A context that also has functions, which are no entries: they can only be called by name."""

    __slots__ = ("functions",)

    def __init__(self, entries: Mapping[str, Value], functions: Mapping[str, Function]) -> None:
        super().__init__(entries)
        self.functions = functions


def number_of(text: str) -> Decimal:
    """Read a number; one of more than 100 characters is rounded, as arithmetic on it could take long."""
    return Decimal(text) if len(text) <= _MAX_EXACT_LENGTH else ARITHMETIC.create_decimal(text)


def index_of(position: Decimal, length: int) -> int:
    """Turn a position, which counts from 1 or backwards from -1, into an index; it may lie outside."""
    place = whole(position)
    return place - 1 if place > 0 else length + place


def whole(number: Decimal) -> int:
    """Return the integer part; a number of more than 18 digits is no sensible index, scale or factor."""
    if number.adjusted() > _MAX_WHOLE_DIGITS:
        raise FeelError(f"The number {number} is too large here.")
    return int(number)
