"""Functions that look into lists or make lists."""

from __future__ import annotations

import operator
from decimal import Decimal
from functools import cmp_to_key

from worker.feel.comparison import contains, equal, order_key
from worker.feel.run import Run
from worker.feel.signature import builtin
from worker.feel.values import Function, Value, index_of, whole

_Items = tuple[Value, ...]
_COMPARED_ARGUMENTS = 2
_STEPS_PER_KEY = 5


@builtin("list contains", "list: list", "element", needs_run=True)
def _list_contains(run: Run, items: _Items, element: Value) -> bool:
    return contains(items, element, run)


builtin("is empty", "list: list")(operator.not_)


@builtin("index of", "list: list", "match", needs_run=True)
def _index_of(run: Run, items: _Items, match: Value) -> _Items:
    return tuple([Decimal(place) for place, item in enumerate(items, 1) if equal(item, match, run) is True])


@builtin("sublist", "list: list", "start: number", "", "length: number")
def _sublist(items: _Items, start: Decimal, length: Decimal | None = None) -> _Items | None:
    offset = index_of(start, len(items))
    end = len(items) if length is None else max(offset + whole(length), 0)
    return items[max(offset, 0) : end] if start else None


@builtin("append", "list: list", "items...")
def _append(items: _Items, more: _Items) -> _Items:
    return items + more


@builtin("concatenate", "lists...", needs_run=True)
def _concatenate(run: Run, lists: _Items) -> _Items:
    joined: list[Value] = []
    for part in lists:
        parts = part if type(part) is tuple else (part,)
        run.spend(len(parts))
        joined.extend(parts)
    return tuple(joined)


@builtin("insert before", "list: list", "position: number", "newItem")
def _insert_before(items: _Items, position: Decimal, item: Value) -> _Items | None:
    offset = max(index_of(position, len(items)), 0)
    return (*items[:offset], item, *items[offset:]) if position else None


@builtin("remove", "list: list", "position: number")
def _remove(items: _Items, position: Decimal) -> _Items | None:
    start, end = (max(index_of(place, len(items)), 0) for place in (position, position + 1))
    return items[:start] + items[end:] if position else None


@builtin("reverse", "list: list")
def _reverse(items: _Items) -> _Items:
    return items[::-1]


@builtin("union", "lists...", needs_run=True)
def _union(run: Run, lists: _Items) -> _Items:
    return _distinct_values(run, _concatenate(run, lists))


@builtin("distinct values", "list: list", needs_run=True)
def _distinct_values(run: Run, items: _Items) -> _Items:
    return tuple([group[0] for group in _groups(items, run)])


@builtin("duplicate values", "list: list", needs_run=True)
def _duplicate_values(run: Run, items: _Items) -> _Items:
    return tuple([group[0] for group in _groups(items, run) if len(group) > 1])


def _groups(items: _Items, run: Run) -> list[list[Value]]:
    """Return the items that are equal together, in the order of the first of each."""
    groups: dict[Value, list[Value]] = {}
    for item in items:
        groups.setdefault(_identity(item, run), []).append(item)
    return list(groups.values())


def _identity(value: Value, run: Run) -> Value:
    """Return a key that is the same for values that are equal in FEEL."""
    run.spend(_STEPS_PER_KEY)
    kind = type(value)
    if kind is tuple:
        return (tuple, tuple([_identity(item, run) for item in value]))
    if isinstance(value, dict):
        return (dict, frozenset([(key, _identity(item, run)) for key, item in value.items()]))
    if kind is str:
        run.compare(value)
    return (kind, order_key(value))


@builtin("flatten", "list: list", needs_run=True)
def _flatten(run: Run, items: _Items) -> _Items:
    flat: list[Value] = []
    pending = [iter(items)]
    while pending:
        for item in pending[-1]:
            run.spend(1)
            if type(item) is tuple:
                pending.append(iter(item))
                break
            flat.append(item)
        else:
            pending.pop()
    return tuple(flat)


@builtin("sort", "list: list", "precedes: function", needs_run=True)
def _sort(run: Run, items: _Items, precedes: Function) -> _Items | None:
    if len(precedes.parameters) != _COMPARED_ARGUMENTS:
        return None
    answers: set[type] = set()

    def is_before(left: Value, right: Value) -> bool:
        answer = precedes.call(run, (left, right))
        answers.add(type(answer))
        return answer is True

    def compare(left: Value, right: Value) -> int:
        return -1 if is_before(left, right) else int(is_before(right, left))

    ordered = tuple(sorted(items, key=cmp_to_key(compare)))
    return ordered if answers <= {bool} else None


@builtin("partition", "list: list", "size: number")
def _partition(items: _Items, size: Decimal) -> _Items | None:
    step = whole(size)
    return tuple([items[start : start + step] for start in range(0, len(items), step)]) if step > 0 else None


@builtin("string join", "list: list", "", "delimiter: string | null", needs_run=True)
@builtin(
    "string join",
    "list: list",
    "delimiter: string | null",
    "prefix: string | null",
    "suffix: string | null",
    needs_run=True,
)
def _string_join(
    run: Run,
    items: _Items,
    delimiter: str | None = None,
    prefix: str | None = None,
    suffix: str | None = None,
) -> str | None:
    if (prefix is None) != (suffix is None):
        return None
    delimiter = delimiter or ""
    texts = [item for item in items if item is not None]
    if any(type(text) is not str for text in texts):
        return None
    run.reserve(sum(map(len, texts)) + len(delimiter) * len(texts))
    return f"{prefix or ''}{delimiter.join(texts)}{suffix or ''}"
