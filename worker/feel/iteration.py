"""`for`, `some` and `every`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import product

from worker.feel.compiled import Code, Compile
from worker.feel.run import ITERATION_STEPS, Run
from worker.feel.scope import Scope
from worker.feel.syntax import Iteration, Steps
from worker.feel.values import Value


def decide(values: Iterable[Value], *, decisive: bool) -> bool | None:
    """Return `decisive` if one value is that, else null if one is no boolean, else the opposite.

    With True this is `or`, with False `and`. What comes behind a decisive value is not evaluated.
    """
    has_other = False
    for value in values:
        if type(value) is not bool:
            has_other = True
        elif value == decisive:
            return decisive
    return None if has_other else not decisive


def compile_iteration(node: Iteration, compile_node: Compile) -> Code:
    """Compile an iteration over each combination of the items; null if a source is no list."""
    names = tuple(name for name, _ in node.iterators)
    sources = tuple(compile_node(source) for _, source in node.iterators)
    body = compile_node(node.body)

    def iteration(scope: Scope) -> Value:
        lists = [source(scope) for source in sources]
        if any(type(items) is not tuple for items in lists):
            return None
        results: list[Value] = []
        values = each(lists, results, scope)
        if node.keyword != "for":
            return decide(values, decisive=node.keyword == "some")
        for value in values:
            results.append(value)  # noqa: PERF402  the body may read what is there so far
        return tuple(results)

    def each(lists: list[tuple[Value, ...]], results: list[Value], scope: Scope) -> Iterator[Value]:
        run = scope.run
        for combination in product(*lists):
            run.spend(ITERATION_STEPS + node.weight)
            variables = dict(zip(names, combination, strict=True))
            if node.uses_partial:
                run.spend(len(results))
                variables["partial"] = tuple(results)
            yield body(Scope(variables, scope, run))

    return iteration


def compile_steps(node: Steps, compile_node: Compile) -> Code:
    """Compile `a..b`: the numbers from a to b, up or down in steps of 1."""
    start, end = compile_node(node.start), compile_node(node.end)

    def steps(scope: Scope) -> Value:
        first, last = start(scope), end(scope)
        if type(first) is not Decimal or type(last) is not Decimal:
            return None
        return _count(first, last, scope.run)

    return steps


def _count(first: Decimal, last: Decimal, run: Run) -> tuple[Decimal, ...]:
    distance = abs(last - first)
    # Checked before it becomes an int, which for 10**999999 would fill the memory.
    run.spend(int(min(distance, Decimal(run.steps + 1))) + 1)
    step = 1 if first < last else -1
    return tuple([first + step * number for number in range(int(distance) + 1)])
