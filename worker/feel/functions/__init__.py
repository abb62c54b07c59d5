"""The builtin functions, by group."""

from __future__ import annotations

from worker.feel.functions import (  # noqa: F401 - each declares its functions
    aggregates,
    booleans,
    contexts,
    conversions,
    lists,
    numeric,
    outcomes,
    patterns,
    ranges,
    temporals,
    texts,
)
from worker.feel.signature import BUILTINS, Builtin

__all__ = ["BUILTINS", "find_builtin"]


def find_builtin(name: str, count: int, names: tuple[str, ...] | None) -> Builtin | None:
    """Return the function of that name that takes so many arguments, or arguments of these names."""
    return next((function for function in BUILTINS.get(name, ()) if function.takes(count, names)), None)
