"""Functions on truth, and on whether there is a value."""

from __future__ import annotations

import operator

from worker.feel.error import FeelError
from worker.feel.run import Run
from worker.feel.signature import LIBRARY
from worker.feel.truth import decide
from worker.feel.values import Value

LIBRARY.add_plain("not", operator.not_, "negand: boolean")


@LIBRARY.add("is defined", "value")
def _is_defined(_run: Run, value: Value) -> bool:
    return value is not None


@LIBRARY.add("get or else", "value", "default")
def _get_or_else(_run: Run, value: Value, default: Value) -> Value:
    return default if value is None else value


@LIBRARY.add("assert", "value", "condition", "", "cause")
def _assert(_run: Run, value: Value, condition: Value, cause: Value = None) -> Value:
    if condition is True:
        return value
    raise FeelError(cause if isinstance(cause, str) else "The condition of assert() is not fulfilled.")


@LIBRARY.add("all", "list...")
@LIBRARY.add("and", "list...")
def _all(_run: Run, items: tuple[Value, ...]) -> bool | None:
    return decide(items, decisive=False)


@LIBRARY.add("any", "list...")
@LIBRARY.add("or", "list...")
def _any(_run: Run, items: tuple[Value, ...]) -> bool | None:
    return decide(items, decisive=True)
