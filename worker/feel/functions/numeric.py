"""Functions on numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal

from worker.feel.error import FeelError
from worker.feel.json_values import from_double
from worker.feel.run import Run
from worker.feel.signature import builtin
from worker.feel.values import whole

_MAX_DIGITS = 1000
_MODES = {"UP", "DOWN", "CEILING", "FLOOR", "HALF_UP", "HALF_DOWN", "HALF_EVEN"}


def _round(number: Decimal, scale: Decimal, mode: str) -> Decimal:
    """Return the number with `scale` digits after the decimal point (before it, if negative)."""
    places = whole(scale)
    digits = number.adjusted() + places + 2
    if abs(places) > _MAX_DIGITS or digits > _MAX_DIGITS:
        raise FeelError(f"A number cannot be rounded to more than {_MAX_DIGITS} digits.")
    return number.quantize(Decimal((0, (1,), -places)), f"ROUND_{mode}", Context(prec=max(digits, 1)))


@builtin("decimal", "n: number", "scale: number", "", "mode: string")
def _decimal(number: Decimal, scale: Decimal, mode: str = "HALF_EVEN") -> Decimal | None:
    return _round(number, scale, mode.upper()) if mode.upper() in _MODES else None


def _add_rounding(name: str, mode: str, *parameters: str) -> None:
    @builtin(name, "n: number", *parameters)
    def _(number: Decimal, scale: Decimal = Decimal(0)) -> Decimal:
        return _round(number, scale, mode)


_add_rounding("floor", "FLOOR", "", "scale: number")
_add_rounding("ceiling", "CEILING", "", "scale: number")
_add_rounding("round up", "UP", "scale: number")
_add_rounding("round down", "DOWN", "scale: number")
_add_rounding("round half up", "HALF_UP", "scale: number")
_add_rounding("round half down", "HALF_DOWN", "scale: number")


builtin("abs", "n/number: number | days | months")(abs)


@builtin("modulo", "dividend: number", "divisor: number")
def _modulo(dividend: Decimal, divisor: Decimal) -> Decimal:
    if not divisor:
        raise FeelError("modulo() cannot divide by zero.")
    return (dividend % divisor + divisor) % divisor


@builtin("odd", "number: number")
def _odd(number: Decimal) -> bool:
    return abs(number) % 2 == 1


@builtin("even", "number: number")
def _even(number: Decimal) -> bool:
    return number % 2 == 0


@builtin("sqrt", "number: number")
def _sqrt(number: Decimal) -> Decimal | None:
    return None if number < 0 else _in_doubles(math.sqrt, number)


@builtin("log", "number: number")
def _log(number: Decimal) -> Decimal | None:
    return _in_doubles(math.log, number)


@builtin("exp", "number: number")
def _exp(number: Decimal) -> Decimal | None:
    return _in_doubles(math.exp, number)


def _in_doubles(function: Callable[[float], float], number: Decimal) -> Decimal | None:
    try:
        return from_double(function(float(number)))
    except (OverflowError, ValueError) as error:
        raise FeelError(f"{function.__name__}({number}) has no value.") from error


@builtin("random number", needs_run=True)
def _random_number(run: Run) -> Decimal | None:
    return from_double(run.sources.random())
