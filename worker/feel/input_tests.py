"""The tests behind `in`."""

from __future__ import annotations

from worker.feel.comparison import contains, equal, is_in
from worker.feel.compiled import Code, Compile
from worker.feel.iteration import decide
from worker.feel.run import Run
from worker.feel.scope import Scope
from worker.feel.syntax import INPUT, In, InputInRange, InputTest
from worker.feel.values import Range, Value


def compile_in(node: In, compile_node: Compile) -> Code:
    """Compile `a in (tests)`: whether one of the tests is met."""
    operand = compile_node(node.operand)
    tests = tuple(map(compile_node, node.tests))

    def is_one_met(scope: Scope) -> Value:
        inner = Scope({INPUT: operand(scope)}, scope, scope.run)
        if len(tests) == 1:
            return tests[0](inner)
        return decide((test(inner) for test in tests), decisive=True)

    return is_one_met


def compile_input_in_range(node: InputInRange, compile_node: Compile) -> Code:
    """Compile `[a..b]` as a test."""
    start, end = compile_node(node.range.start), compile_node(node.range.end)
    has_start, has_end = node.range.has_start, node.range.has_end
    return lambda scope: is_in(
        scope.variable(INPUT), Range(start(scope), end(scope), has_start, has_end), scope.run
    )


def compile_input_test(node: InputTest, compile_node: Compile) -> Code:
    """Compile any other expression as a test: true, equal to the input, or a list that has it."""
    expression = compile_node(node.expression)

    def is_met(scope: Scope) -> Value:
        value = scope.variable(INPUT)
        if not node.uses_input:
            return _fits(value, expression(scope), scope.run)
        answer = expression(Scope({"?": value}, scope, scope.run))
        return answer if type(answer) is bool else None

    return is_met


def _fits(value: Value, answer: Value, run: Run) -> bool | None:
    if answer is True or (type(answer) is tuple and contains(answer, value, run)):
        return True
    is_equal = equal(value, answer, run)
    if is_equal is None and answer is not False and type(answer) is not tuple:
        return None
    return is_equal is True
