"""Converts JSON values into FEEL values and back."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any

from worker.feel.error import FeelError
from worker.feel.run import Run
from worker.feel.temporal_text import temporal_json
from worker.feel.values import ARITHMETIC, Function, Range, Value

_PLAIN_DOUBLE_FROM, _PLAIN_DOUBLE_TO = 1e-3, 1e7
_INT64 = range(-(2**63), 2**63)
_DIGITS_OF_INT64 = 19


def from_json(value: Any) -> Value:
    """Turn a JSON value into a FEEL value."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return Decimal(value) if value in _INT64 else ARITHMETIC.create_decimal(value)
    if kind is float:
        return from_double(value)
    if kind is dict:
        return {key: from_json(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return tuple(map(from_json, value))
    if kind is Decimal:
        return value
    raise FeelError(f"A variable contains a {kind.__name__}, which is not a JSON value.")


def from_double(number: float) -> Decimal | None:
    """Turn a double into the decimal whose digits Java writes: 1.0, 1.0E+7. Not finite: null."""
    if not isfinite(number):
        return None
    decimal = Decimal(repr(number))
    if not number or _PLAIN_DOUBLE_FROM <= abs(number) < _PLAIN_DOUBLE_TO:
        return decimal
    sign, digits, exponent = decimal.normalize().as_tuple()
    return Decimal((sign, (*digits, 0), int(exponent) - 1)) if len(digits) == 1 else decimal.normalize()


def to_json(value: Value, run: Run) -> Any:
    """Turn a result into JSON as Camunda writes it into process variables; a function is an error.

    A text counts each time that it occurs: it is one text here, but many in what is sent.
    """
    run.spend(2)
    kind = type(value)
    if kind is str:
        return run.count_text(value)
    if kind is bool or value is None:
        return value
    if kind is Decimal:
        return _json_number(value)
    if kind is tuple:
        return [to_json(item, run) for item in value]
    if isinstance(value, dict):
        run.reserve(sum(map(len, value)))
        return {key: to_json(item, run) for key, item in value.items()}
    if kind is Function:
        raise FeelError("The result is a function, which is not a JSON value: call it.")
    return None if kind is Range else temporal_json(value)


def _json_number(number: Decimal) -> int | float:
    """Return an int if it is whole and fits into 64 bits: Camunda accepts no longer ones."""
    if number.adjusted() < _DIGITS_OF_INT64 and number == number.to_integral_value():
        whole = int(number)
        if whole in _INT64:
            return whole
    result = float(number)
    if not isfinite(result):
        raise FeelError("The result has a number that is too large for JSON.")
    return result
