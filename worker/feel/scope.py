"""Looks up variables and functions by name, from the innermost scope outwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from worker.feel.run import Run
from worker.feel.values import Function, FunctionContext, Value


class Scope:
    """Variables and, apart from them, functions; what is not here is looked for in the parent."""

    __slots__ = ("functions", "parent", "run", "variables")

    def __init__(self, variables: Mapping[str, Value], parent: Scope | None, run: Run) -> None:
        self.variables = variables
        self.functions: Mapping[str, Function] | None = (
            variables.functions if type(variables) is FunctionContext else None
        )
        self.parent = parent
        self.run = run

    def variable(self, name: str, default: Value = None) -> Value:
        """Return the variable, or the default if there is none."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.variables:
                return scope.variables[name]
            scope = scope.parent
        return default

    def functions_of(self, name: str) -> Iterator[Function]:
        """Yield the functions of that name, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            if scope.functions and name in scope.functions:
                yield scope.functions[name]
            scope = scope.parent
