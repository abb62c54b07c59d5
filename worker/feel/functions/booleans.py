"""Functions on truth, and on whether there is a value."""

from __future__ import annotations

import operator

from worker.feel.comparison import decide
from worker.feel.error import FeelError
from worker.feel.signature import builtin
from worker.feel.values import Value

builtin("not", "negand: boolean")(operator.not_)


@builtin("is defined", "value")
def _is_defined(value: Value) -> bool:
    return value is not None


@builtin("get or else", "value", "default")
def _get_or_else(value: Value, default: Value) -> Value:
    return default if value is None else value


@builtin("assert", "value", "condition", "", "cause")
def _assert(value: Value, condition: Value, cause: Value = None) -> Value:
    if condition is True:
        return value
    raise FeelError(cause if isinstance(cause, str) else "The condition of assert() is not fulfilled.")


@builtin("all", "list...")
@builtin("and", "list...")
def _all(items: tuple[Value, ...]) -> bool | None:
    return decide(items, decisive=False)


@builtin("any", "list...")
@builtin("or", "list...")
def _any(items: tuple[Value, ...]) -> bool | None:
    return decide(items, decisive=True)
