"""Functions on contexts."""

from __future__ import annotations

from worker.feel.run import Run
from worker.feel.signature import builtin
from worker.feel.values import Value

_Context = dict[str, Value]


@builtin("get entries", "context/m: context")
def _get_entries(context: _Context) -> Value:
    return tuple([{"key": key, "value": value} for key, value in context.items()])


@builtin("get value", "context: context", "keys: list")
@builtin("get value", "context/m: context", "key: string | list")
def _get_value(context: _Context, key: str | tuple[Value, ...]) -> Value:
    keys = (key,) if isinstance(key, str) else key
    value: Value = context if keys else None
    for name in keys:
        if not isinstance(value, dict) or type(name) is not str:
            return None
        value = value.get(name)
    return value


@builtin("context put", "context: context", "keys: list", "value")
@builtin("context put", "context: context", "key: string | list", "value")
@builtin("put", "context: context", "key: string | list", "value")
def _context_put(context: _Context, key: str | tuple[Value, ...], value: Value) -> Value:
    keys = (key,) if isinstance(key, str) else key
    if not keys or any(type(name) is not str for name in keys):
        return None
    path = [context]
    for name in keys[:-1]:
        inner: Value = path[-1].get(name)
        path.append(inner if isinstance(inner, dict) else {})
    for name, outer in zip(reversed(keys), reversed(path), strict=True):
        value = {**outer, name: value}
    return value


@builtin("context merge", "contexts...", needs_run=True)
@builtin("put all", "contexts...", needs_run=True)
def _context_merge(run: Run, contexts: tuple[Value, ...]) -> Value:
    if not all(isinstance(context, dict) for context in contexts):
        return None
    merged: _Context = {}
    for context in contexts:
        run.spend(len(context))
        merged.update(context)
    return merged


@builtin("context", "entries: list")
def _context(entries: tuple[Value, ...]) -> Value:
    if not all(
        isinstance(entry, dict) and type(entry.get("key")) is str and "value" in entry for entry in entries
    ):
        return None
    return {entry["key"]: entry["value"] for entry in entries}
