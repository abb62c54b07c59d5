"""Paths and filters: `a.b[c > 1].d`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from worker.feel.calls import Call
from worker.feel.properties import property_of
from worker.feel.run import ITERATION_STEPS, Run
from worker.feel.scope import Scope
from worker.feel.syntax import Comparison, Node
from worker.feel.values import Value, whole


@dataclass(frozen=True, slots=True)
class Key:
    """A step `.name`."""

    name: str

    def apply(self, value: Value, scope: Scope) -> Value:
        """Return a context's entry, a list of its items' entries, or a property; null if there is none."""
        return _entry(value, self.name, scope.run)


def _entry(value: Value, name: str, run: Run) -> Value:
    kind = type(value)
    if isinstance(value, dict):
        return value.get(name)
    if kind is tuple:
        run.spend(2 * len(value))
        return tuple([_entry(item, name, run) for item in value])
    return property_of(value, name)


@dataclass(frozen=True, slots=True)
class Filter:
    """A step `[condition]`; `weight` is the number of tokens in it, which is what one test costs."""

    condition: Node
    weight: int

    def apply(self, value: Value, scope: Scope) -> Value:
        """Return the items for which the condition is true, or the item at its number."""
        if type(value) is not tuple:
            return None
        # Tried outside of the items first: if it is a number there, it is an index.
        if not isinstance(self.condition, Comparison | Call):
            outer = self.condition.evaluate(scope)
            if type(outer) is Decimal:
                return _item_at(value, outer)
        return self._matching(value, scope)

    def _matching(self, items: tuple[Value, ...], scope: Scope) -> Value:
        kept = []
        for number, item in enumerate(items):
            scope.run.spend(ITERATION_STEPS + self.weight)
            outcome = self.condition.evaluate(_item_scope(item, scope))
            if not number and type(outcome) is Decimal:
                return _item_at(items, outcome)
            if outcome is True:
                kept.append(item)
        return tuple(kept)


def _item_at(items: tuple[Value, ...], index: Decimal) -> Value:
    position = index - 1 if index > 0 else len(items) + index
    return items[whole(position)] if 0 <= position < len(items) else None


def _item_scope(item: Value, scope: Scope) -> Scope:
    inner = Scope({"item": item}, scope, scope.run)
    return Scope(item, inner, scope.run) if isinstance(item, dict) else inner


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """A value and the steps into it: `a.b[c > 1].d`."""

    base: Node
    steps: tuple[Key | Filter, ...]

    def evaluate(self, scope: Scope) -> Value:
        value = self.base.evaluate(scope)
        for step in self.steps:
            value = step.apply(value, scope)
        return value
