"""Writes any value as text, for `string()` and for `to json()`."""

from __future__ import annotations

import json
from decimal import Decimal

from worker.feel.run import Run
from worker.feel.temporal_text import iso_text, temporal_text
from worker.feel.values import Function, Range, Value


def text_of(value: Value, run: Run) -> str:
    """Return the value as an expression would show it: texts in quotes, contexts and lists in full."""
    run.spend(2)
    kind = type(value)
    if kind is str:
        return run.count_text(f'"{value}"')
    if isinstance(value, dict):
        return run.count_text(
            f"{{{', '.join([f'{key}:{text_of(item, run)}' for key, item in value.items()])}}}"
        )
    if kind is tuple:
        return run.count_text(f"[{', '.join([text_of(item, run) for item in value])}]")
    if kind is Range:
        opening, closing = "[" if value.has_start else "(", "]" if value.has_end else ")"
        return f"{opening}{text_of(value.start, run)}..{text_of(value.end, run)}{closing}"
    return _scalar(value)


def _scalar(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        # Java's decimals have no -0.
        return str(value or value.copy_abs())
    if isinstance(value, Function):
        return f"function({', '.join(value.parameters)})"
    return temporal_text(value)


def json_text(value: Value, run: Run) -> str:
    """Return the value as JSON, without spaces; dates, times and durations in ISO 8601."""
    run.spend(2)
    kind = type(value)
    if kind is str:
        return run.count_text(json.dumps(value, ensure_ascii=False))
    if isinstance(value, dict):
        entries = [
            f"{json.dumps(key, ensure_ascii=False)}:{json_text(item, run)}" for key, item in value.items()
        ]
        return run.count_text(f"{{{','.join(entries)}}}")
    if kind is tuple:
        return run.count_text(f"[{','.join([json_text(item, run) for item in value])}]")
    if value is None or kind is bool or kind is Decimal:
        return _scalar(value)
    return json.dumps(text_of(value, run) if kind in (Range, Function) else iso_text(value))
