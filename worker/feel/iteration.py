"""`for`, `some` and `every`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from worker.feel.comparison import decide
from worker.feel.run import ITERATION_STEPS
from worker.feel.scope import Scope
from worker.feel.syntax import Node
from worker.feel.values import Value


@dataclass(frozen=True, slots=True)
class Steps(Node):
    """`a..b` in an iterator: the numbers from a to b, up or down in steps of 1."""

    start: Node
    end: Node

    def evaluate(self, scope: Scope) -> Value:
        first, last = self.start.evaluate(scope), self.end.evaluate(scope)
        if type(first) is not Decimal or type(last) is not Decimal:
            return None
        distance = abs(last - first)
        # Checked before it becomes an int, which for 10**999999 would fill the memory.
        scope.run.spend(int(min(distance, Decimal(scope.run.steps + 1))) + 1)
        step = 1 if first < last else -1
        return tuple([first + step * number for number in range(int(distance) + 1)])


@dataclass(frozen=True, slots=True)
class Iteration(Node):
    """An iteration over each combination of the items; null if a source is no list.

    `weight`: the number of tokens in the body, which is what one run of it costs.
    """

    keyword: str
    iterators: tuple[tuple[str, Node], ...]
    body: Node
    uses_partial: bool
    weight: int

    def evaluate(self, scope: Scope) -> Value:
        lists = [source.evaluate(scope) for _, source in self.iterators]
        if any(type(items) is not tuple for items in lists):
            return None
        results: list[Value] = []
        values = self._each(lists, results, scope)
        if self.keyword != "for":
            return decide(values, decisive=self.keyword == "some")
        for value in values:
            results.append(value)  # noqa: PERF402  the body may read what is there so far
        return tuple(results)

    def _each(self, lists: list[tuple[Value, ...]], results: list[Value], scope: Scope) -> Iterator[Value]:
        names = [name for name, _ in self.iterators]
        for combination in product(*lists):
            scope.run.spend(ITERATION_STEPS + self.weight)
            variables = dict(zip(names, combination, strict=True))
            if self.uses_partial:
                scope.run.spend(len(results))
                variables["partial"] = tuple(results)
            yield self.body.evaluate(Scope(variables, scope, scope.run))
