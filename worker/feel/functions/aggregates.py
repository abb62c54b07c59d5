"""Functions that make one value of a list: sums, extremes, statistics."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from decimal import Decimal

from worker.feel.comparison import is_same_order, order_key
from worker.feel.error import FeelError
from worker.feel.json_values import from_double
from worker.feel.run import Run
from worker.feel.signature import builtin
from worker.feel.values import Value

_Items = tuple[Value, ...]


@builtin("count", "list: list")
def _count(items: _Items) -> Decimal:
    return Decimal(len(items))


@builtin("min", "list...", needs_run=True)
def _min(run: Run, items: _Items) -> Value:
    return min(items, key=order_key) if _is_ordered(items, run) else None


@builtin("max", "list...", needs_run=True)
def _max(run: Run, items: _Items) -> Value:
    # The last of several equal ones, as in the reference.
    return max(reversed(items), key=order_key) if _is_ordered(items, run) else None


def _is_ordered(items: _Items, run: Run) -> bool:
    if not items or not all(is_same_order(items[0], item) for item in items):
        return False
    if type(items[0]) is str:
        run.compare(*items)
    return True


def _of_numbers(name: str) -> Callable[[Callable[[_Items], Value]], None]:
    """Declare a function of numbers; an empty list, or an item that is no number, gives null."""

    def register(compute: Callable[[_Items], Value]) -> None:
        @builtin(name, "list...")
        def _(items: _Items) -> Value:
            return compute(items) if items and all(type(item) is Decimal for item in items) else None

    return register


@_of_numbers("sum")
def _sum(numbers: _Items) -> Value:
    return sum(numbers, Decimal(0))


@_of_numbers("product")
def _product(numbers: _Items) -> Value:
    return math.prod(numbers, start=Decimal(1))


@_of_numbers("mean")
def _mean(numbers: _Items) -> Value:
    return sum(numbers, Decimal(0)) / len(numbers)


@_of_numbers("median")
def _median(numbers: _Items) -> Value:
    return statistics.median(numbers)


@_of_numbers("stddev")
def _stddev(numbers: _Items) -> Value:
    if len(numbers) == 1:
        raise FeelError("stddev() needs at least two numbers.")
    mean = sum(numbers, Decimal(0)) / len(numbers)
    variance = sum(((number - mean) ** 2 for number in numbers), Decimal(0)) / (len(numbers) - 1)
    return from_double(math.sqrt(variance))


@builtin("mode", "list...")
def _mode(items: _Items) -> Value:
    if any(type(item) is not Decimal for item in items):
        return None
    return tuple(sorted(statistics.multimode(items)))
