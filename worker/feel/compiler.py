"""Syntax tree into closures: each node becomes a Python function from a scope to a value."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from worker.feel import syntax
from worker.feel.calls import compile_call, compile_function
from worker.feel.chains import compile_chain
from worker.feel.comparison import equal, kind_of, less, negate, range_between
from worker.feel.compiled import Code
from worker.feel.error import FeelError
from worker.feel.input_tests import compile_in, compile_input_in_range, compile_input_test
from worker.feel.iteration import compile_iteration, compile_steps, decide
from worker.feel.operators import OPERATORS
from worker.feel.scope import Scope
from worker.feel.values import Function, FunctionContext, Value

_NOTHING: dict[str, Value] = {}


def compile_node(node: syntax.Node) -> Code:
    """Return the closure for a node."""
    return _COMPILERS[type(node)](node)


def _compile_literal(node: syntax.Literal) -> Code:
    value = node.value
    return lambda _scope: value


def _compile_name(node: syntax.Name) -> Code:
    name = node.name
    return lambda scope: scope.variable(name)


def _compile_input(node: syntax.Input) -> Code:
    def input_value(scope: Scope) -> Value:
        if not scope.has("?"):
            raise FeelError("'?' is only known in a test behind 'in'.", *node.place)
        return scope.variable("?")

    return input_value


def _compile_list(node: syntax.ListOf) -> Code:
    items = tuple(map(compile_node, node.items))
    return lambda scope: tuple([item(scope) for item in items])


def _compile_context(node: syntax.ContextOf) -> Code:
    entries = tuple((key, compile_node(value)) for key, value in node.entries)

    def context(scope: Scope) -> Value:
        result: dict[str, Value] = {}
        functions: dict[str, Function] = {}
        frame: dict[str, Value] = {}
        inner = Scope(frame, scope, scope.run)
        for key, code in entries:
            value = code(inner)
            if type(value) is Function:
                # What follows gets a frame of its own: a function sees only what stands before it.
                functions[key] = value
                frame = {}
                inner = Scope(
                    frame, Scope(FunctionContext(_NOTHING, {key: value}), inner, scope.run), scope.run
                )
            else:
                result[key] = frame[key] = value
        return FunctionContext(result, functions) if functions else result

    return context


def _compile_range(node: syntax.RangeOf) -> Code:
    start, end = compile_node(node.start), compile_node(node.end)
    return lambda scope: range_between(
        start(scope), end(scope), has_start=node.has_start, has_end=node.has_end
    )


def _compile_arithmetic(node: syntax.Arithmetic) -> Code:
    first = compile_node(node.first)
    rest = tuple((OPERATORS[operator], compile_node(operand)) for operator, operand in node.rest)

    def arithmetic(scope: Scope) -> Value:
        value = first(scope)
        for operate, operand in rest:
            value = operate(value, operand(scope), scope.run)
        return value

    return arithmetic


def _compile_negation(node: syntax.Negation) -> Code:
    operand = compile_node(node.operand)

    def negation(scope: Scope) -> Value:
        value = operand(scope)
        return -value if type(value) is Decimal else None

    return negation


def _compile_comparison(node: syntax.Comparison) -> Code:
    left, right = compile_node(node.left), compile_node(node.right)
    match node.operator:
        case "=":
            return lambda scope: equal(left(scope), right(scope), scope.run)
        case "!=":
            return lambda scope: negate(equal(left(scope), right(scope), scope.run))
        case "<":
            return lambda scope: less(left(scope), right(scope), scope.run)
        case ">":
            return lambda scope: less(right(scope), left(scope), scope.run)
        case "<=":
            return lambda scope: negate(less(right(scope), left(scope), scope.run))
        case _:
            return lambda scope: negate(less(left(scope), right(scope), scope.run))


def _compile_logic(node: syntax.Logic) -> Code:
    operands = tuple(map(compile_node, node.operands))
    decisive = node.operator == "or"
    return lambda scope: decide((operand(scope) for operand in operands), decisive=decisive)


def _compile_instance_of(node: syntax.InstanceOf) -> Code:
    operand = compile_node(node.operand)
    if node.type_name == "Any":
        return lambda scope: operand(scope) is not None
    return lambda scope: kind_of(operand(scope)) == node.type_name


def _compile_if(node: syntax.If) -> Code:
    condition, then, otherwise = map(compile_node, (node.condition, node.then, node.otherwise))
    return lambda scope: then(scope) if condition(scope) is True else otherwise(scope)


_COMPILERS: dict[type[syntax.Node], Callable[[Any], Code]] = {
    syntax.Literal: _compile_literal,
    syntax.Name: _compile_name,
    syntax.Input: _compile_input,
    syntax.ListOf: _compile_list,
    syntax.ContextOf: _compile_context,
    syntax.RangeOf: _compile_range,
    syntax.Arithmetic: _compile_arithmetic,
    syntax.Negation: _compile_negation,
    syntax.Comparison: _compile_comparison,
    syntax.Logic: _compile_logic,
    syntax.InstanceOf: _compile_instance_of,
    syntax.If: _compile_if,
    syntax.Chain: lambda node: compile_chain(node, compile_node),
    syntax.Iteration: lambda node: compile_iteration(node, compile_node),
    syntax.Steps: lambda node: compile_steps(node, compile_node),
    syntax.Call: lambda node: compile_call(node, compile_node),
    syntax.FunctionOf: lambda node: compile_function(node, compile_node),
    syntax.In: lambda node: compile_in(node, compile_node),
    syntax.InputInRange: lambda node: compile_input_in_range(node, compile_node),
    syntax.InputTest: lambda node: compile_input_test(node, compile_node),
}
