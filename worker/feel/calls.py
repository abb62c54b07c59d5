"""Calls of builtin functions and of functions that the expression defines."""

from __future__ import annotations

from collections.abc import Iterable

from worker.feel.compiled import Code, Compile
from worker.feel.error import FeelError
from worker.feel.functions import find_builtin
from worker.feel.run import ITERATION_STEPS, MAX_CALL_DEPTH, Run
from worker.feel.scope import Scope
from worker.feel.signature import Builtin
from worker.feel.syntax import Call, FunctionOf
from worker.feel.values import Function, FunctionContext, Value


def compile_function(node: FunctionOf, compile_node: Compile) -> Code:
    """Compile a definition: a function that sees what is in scope where it is defined."""
    body = compile_node(node.body)

    def define(scope: Scope) -> Function:
        def call(run: Run, arguments: tuple[Value, ...]) -> Value:
            run.spend(ITERATION_STEPS + node.weight)
            run.depth += 1
            if run.depth > MAX_CALL_DEPTH:
                raise FeelError(f"Functions call each other more than {MAX_CALL_DEPTH} levels deep.")
            result = body(Scope(dict(zip(node.parameters, arguments, strict=True)), scope, run))
            run.depth -= 1
            return result

        return Function(node.parameters, call)

    return define


def compile_call(node: Call, compile_node: Compile) -> Code:
    """Compile a call; a function that is not there, or does not take these arguments, gives null."""
    arguments = tuple(map(compile_node, node.arguments))
    invoke = _compile_method(node, arguments) if node.path else _compile_plain_call(node, arguments)

    def call(scope: Scope) -> Value:
        try:
            return invoke(scope)
        except FeelError as error:
            raise error.at(*node.place) from error.__cause__

    return call


def _compile_plain_call(node: Call, arguments: tuple[Code, ...]) -> Code:
    builtin = find_builtin(node.name, len(arguments), node.names)

    def call(scope: Scope) -> Value:
        values = tuple([argument(scope) for argument in arguments])
        function = _find(scope.functions_of(node.name), node)
        if function:
            return _call_function(function, node, values, scope.run)
        return _call_builtin(builtin, node.names, values, scope.run) if builtin else None

    return call


def _compile_method(node: Call, arguments: tuple[Code, ...]) -> Code:
    def call(scope: Scope) -> Value:
        owner = scope.variable(node.path[0])
        for name in node.path[1:]:
            owner = owner.get(name) if type(owner) in (dict, FunctionContext) else None
        functions = owner.functions if type(owner) is FunctionContext else {}
        function = _find([functions[node.name]] if node.name in functions else [], node)
        if function is None:
            raise FeelError(f"There is no function '{'.'.join((*node.path, node.name))}'.")
        return _call_function(function, node, tuple([argument(scope) for argument in arguments]), scope.run)

    return call


def _find(functions: Iterable[Function], node: Call) -> Function | None:
    for function in functions:
        if node.names is None:
            if len(function.parameters) == len(node.arguments):
                return function
        elif set(node.names) <= set(function.parameters):
            return function
    return None


def _call_function(function: Function, node: Call, values: tuple[Value, ...], run: Run) -> Value:
    return function.call(run, _in_order(function.parameters, node.names, values))


def _call_builtin(
    builtin: Builtin, names: tuple[str, ...] | None, values: tuple[Value, ...], run: Run
) -> Value:
    values = builtin.gather(values) if names is None else _in_order(builtin.parameters, names, values)
    return builtin.invoke(run, values)


def _in_order(
    parameters: tuple[str, ...], names: tuple[str, ...] | None, values: tuple[Value, ...]
) -> tuple[Value, ...]:
    """Put named arguments in the order of the parameters; the missing ones are null."""
    if names is None:
        return values
    given = dict(zip(names, values, strict=True))
    return tuple(map(given.get, parameters))
