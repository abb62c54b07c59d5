"""Calls of builtin functions and of functions that the expression defines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from worker.feel.error import FeelError
from worker.feel.functions import find_builtin
from worker.feel.run import ITERATION_STEPS, MAX_CALL_DEPTH, Run
from worker.feel.scope import Scope
from worker.feel.signature import in_order
from worker.feel.syntax import Node, Place
from worker.feel.values import Function, FunctionContext, Value


@dataclass(frozen=True, slots=True)
class FunctionOf(Node):
    """`function(a, b) body`: sees what is in scope where it is defined.

    `weight`: the number of tokens in the body, which is what one call costs.
    """

    parameters: tuple[str, ...]
    body: Node
    weight: int

    def evaluate(self, scope: Scope) -> Function:
        def call(run: Run, arguments: tuple[Value, ...]) -> Value:
            run.spend(ITERATION_STEPS + self.weight)
            run.depth += 1
            if run.depth > MAX_CALL_DEPTH:
                raise FeelError(f"Functions call each other more than {MAX_CALL_DEPTH} levels deep.")
            variables = dict(zip(self.parameters, arguments, strict=True))
            result = self.body.evaluate(Scope(variables, scope, run))
            run.depth -= 1
            return result

        return Function(self.parameters, call)


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`f(a, b)` or `f(x: a, y: b)`; with a `path`, a function of that context.

    A function that does not exist, or does not take these arguments, gives null, as in the reference;
    `validation` finds such calls beforehand.
    """

    path: tuple[str, ...]
    name: str
    arguments: tuple[Node, ...]
    names: tuple[str, ...] | None
    place: Place

    def evaluate(self, scope: Scope) -> Value:
        try:
            return self._call_method(scope) if self.path else self._call_function(scope)
        except FeelError as error:
            raise error.at(*self.place) from error.__cause__

    def _call_function(self, scope: Scope) -> Value:
        values = self._values(scope)
        function = self._find(scope.functions_of(self.name))
        if function:
            return function.call(scope.run, in_order(function.parameters, self.names, values))
        builtin = find_builtin(self.name, len(values), self.names)
        if builtin is None:
            return None
        return builtin.invoke(scope.run, builtin.arranged(values, self.names))

    def _call_method(self, scope: Scope) -> Value:
        owner = scope.variable(self.path[0])
        for name in self.path[1:]:
            owner = owner.get(name) if isinstance(owner, dict) else None
        functions = owner.functions if type(owner) is FunctionContext else {}
        function = self._find([functions[self.name]] if self.name in functions else [])
        if function is None:
            raise FeelError(f"There is no function '{'.'.join((*self.path, self.name))}'.")
        return function.call(scope.run, in_order(function.parameters, self.names, self._values(scope)))

    def _values(self, scope: Scope) -> tuple[Value, ...]:
        return tuple([argument.evaluate(scope) for argument in self.arguments])

    def _find(self, functions: Iterable[Function]) -> Function | None:
        return next((function for function in functions if self.fits(function.parameters)), None)

    def fits(self, parameters: tuple[str, ...]) -> bool:
        """Whether a function that the expression defines takes these arguments."""
        if self.names is None:
            return len(parameters) == len(self.arguments)
        return set(self.names) <= set(parameters)
