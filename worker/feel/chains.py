"""Paths and filters: `a.b[c > 1].d`."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from worker.feel.compiled import Code, Compile
from worker.feel.properties import property_of
from worker.feel.run import ITERATION_STEPS, Run
from worker.feel.scope import Scope
from worker.feel.syntax import Call, Chain, Comparison, Filter, Key, Literal, Negation
from worker.feel.values import FunctionContext, Value, whole

_Step = Callable[[Value, Scope], Value]


def compile_chain(node: Chain, compile_node: Compile) -> Code:
    """Compile a value and the steps into it."""
    base = compile_node(node.base)
    steps = tuple(_compile_step(step, compile_node) for step in node.steps)

    def chain(scope: Scope) -> Value:
        value = base(scope)
        for step in steps:
            value = step(value, scope)
        return value

    return chain


def _compile_step(step: Key | Filter, compile_node: Compile) -> _Step:
    if isinstance(step, Filter):
        return _compile_filter(step, compile_node)
    name = step.name
    return lambda value, scope: _entry(value, name, scope.run)


def _entry(value: Value, name: str, run: Run) -> Value:
    """Return a context's entry, a list of its items' entries, or a property; null if there is none."""
    kind = type(value)
    if kind is dict or kind is FunctionContext:
        return value.get(name)
    if kind is tuple:
        run.spend(2 * len(value))
        return tuple([_entry(item, name, run) for item in value])
    return property_of(value, name)


def _compile_filter(step: Filter, compile_node: Compile) -> _Step:
    condition = compile_node(step.condition)
    index = _constant_index(step)
    # Any other condition is first tried outside of the items: if it is a number there, it is an index.
    may_be_index = not isinstance(step.condition, Comparison | Call)

    def apply(value: Value, scope: Scope) -> Value:
        if type(value) is not tuple:
            return None
        if index is not None:
            return _item_at(value, index)
        if may_be_index:
            outer = condition(scope)
            if type(outer) is Decimal:
                return _item_at(value, outer)
        return _filter(value, condition, step.weight, scope)

    return apply


def _constant_index(step: Filter) -> Decimal | None:
    match step.condition:
        case Literal(Decimal() as number):
            return number
        case Negation(Literal(Decimal() as number)):
            return -number
        case _:
            return None


def _item_at(items: tuple[Value, ...], index: Decimal) -> Value:
    position = index - 1 if index > 0 else len(items) + index
    return items[whole(position)] if 0 <= position < len(items) else None


def _filter(items: tuple[Value, ...], condition: Code, weight: int, scope: Scope) -> Value:
    """Return the items for which the condition is true; if it is a number for the first, the item there."""
    run = scope.run
    kept = []
    for number, item in enumerate(items):
        run.spend(ITERATION_STEPS + weight)
        outcome = condition(_item_scope(item, scope))
        if not number and type(outcome) is Decimal:
            return _item_at(items, outcome)
        if outcome is True:
            kept.append(item)
    return tuple(kept)


def _item_scope(item: Value, scope: Scope) -> Scope:
    inner = Scope({"item": item}, scope, scope.run)
    return Scope(item, inner, scope.run) if type(item) in (dict, FunctionContext) else inner
