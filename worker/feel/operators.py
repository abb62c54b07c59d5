"""`+ - * / **` and `-a`, by the kinds of their operands. What has no result is null."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

from worker.feel.error import FeelError
from worker.feel.json_values import from_double
from worker.feel.run import Run
from worker.feel.temporal_arithmetic import (
    add_temporal,
    divide_duration,
    multiply_duration,
    subtract_temporal,
)
from worker.feel.values import DURATIONS, Value, whole

Operator = Callable[[Value, Value, Run], Value]
_MAX_EXPONENT = 999_999_999


def add(left: Value, right: Value, run: Run) -> Value:
    """Return the sum of numbers, the joined texts, or the moved point of time."""
    kind = type(left)
    if kind is Decimal:
        return left + right if type(right) is Decimal else None
    if kind is str:
        if type(right) is not str:
            return None
        run.reserve(len(left) + len(right))
        return left + right
    return add_temporal(left, right)


def subtract(left: Value, right: Value, _run: Run) -> Value:
    """Return the difference of numbers, or of points of time and durations."""
    if type(left) is Decimal:
        return left - right if type(right) is Decimal else None
    return subtract_temporal(left, right)


def multiply(left: Value, right: Value, _run: Run) -> Value:
    """Return the product of numbers, or a number times a duration."""
    if type(left) is Decimal and type(right) is Decimal:
        return left * right
    if type(right) in DURATIONS:
        left, right = right, left
    is_scaled = type(left) in DURATIONS and type(right) is Decimal
    return multiply_duration(left, right) if is_scaled else None


def divide(left: Value, right: Value, _run: Run) -> Value:
    """Return the quotient; a division by zero is null."""
    if type(left) is Decimal:
        return left / right if type(right) is Decimal and right else None
    return divide_duration(left, right) if type(left) in DURATIONS else None


def power(left: Value, right: Value, _run: Run) -> Value:
    """Return `left` to the power of `right`; a fractional power is computed in doubles."""
    if type(left) is not Decimal or type(right) is not Decimal:
        return None
    if abs(right) > _MAX_EXPONENT:
        raise FeelError(f"The exponent {right} is too large.")
    if right == right.to_integral_value():
        exponent = whole(right)
        return left**exponent if exponent else Decimal(1)
    try:
        return from_double(math.pow(left, right))
    except (OverflowError, ValueError) as error:
        raise FeelError(f"{left} ** {right} has no value.") from error


OPERATORS: dict[str, Operator] = {"+": add, "-": subtract, "*": multiply, "/": divide, "**": power}
