"""The tests behind `in`."""

from __future__ import annotations

from dataclasses import dataclass

from worker.feel.comparison import contains, decide, equal, is_in
from worker.feel.run import Run
from worker.feel.scope import Scope
from worker.feel.syntax import Node, RangeOf
from worker.feel.values import Range, Value

INPUT = "cellInput"
"""The variable with the input of a test, named as in the reference."""


@dataclass(frozen=True, slots=True)
class In(Node):
    """`a in (tests)`: whether one of the tests is met."""

    operand: Node
    tests: tuple[Node, ...]

    def evaluate(self, scope: Scope) -> Value:
        inner = Scope({INPUT: self.operand.evaluate(scope)}, scope, scope.run)
        return decide((test.evaluate(inner) for test in self.tests), decisive=True)


@dataclass(frozen=True, slots=True)
class InputInRange(Node):
    """A range as a test."""

    range: RangeOf

    def evaluate(self, scope: Scope) -> Value:
        start, end = self.range.start.evaluate(scope), self.range.end.evaluate(scope)
        within = Range(start, end, self.range.has_start, self.range.has_end)
        return is_in(scope.variable(INPUT), within, scope.run)


@dataclass(frozen=True, slots=True)
class InputTest(Node):
    """Any other expression as a test: true, equal to the input, or a list that contains it.

    `uses_input`: whether it names the input as `?`.
    """

    expression: Node
    uses_input: bool

    def evaluate(self, scope: Scope) -> Value:
        value = scope.variable(INPUT)
        if not self.uses_input:
            return _fits(value, self.expression.evaluate(scope), scope.run)
        answer = self.expression.evaluate(Scope({"?": value}, scope, scope.run))
        return answer if type(answer) is bool else None


def _fits(value: Value, answer: Value, run: Run) -> bool | None:
    if answer is True or (type(answer) is tuple and contains(answer, value, run)):
        return True
    is_equal = equal(value, answer, run)
    if is_equal is None and answer is not False and type(answer) is not tuple:
        return None
    return is_equal is True
