"""Cutting an email's bodies so that Camunda accepts the result."""

from __future__ import annotations

import json
from typing import Any

from worker.errors import ResultTooLarge
from worker.models.email import ReadEmail


def truncate_result(result: ReadEmail, limit_bytes: int) -> ReadEmail:
    """Return the result if its JSON has at most `limit_bytes`, else with bodies cut and `truncated`.

    Bytes are those of `json.dumps` as it writes by default, which is how the result is sent: beyond ASCII
    each UTF-16 unit takes six. Each body gets half of the free bytes, and what the other one leaves.
    Raises ResultTooLarge where the rest alone does not fit.
    """
    plain, html = result.plain_text_body, result.html_body
    # A character takes a byte at least: what is longer need not be encoded to know.
    is_long = len(plain or "") + len(html or "") > limit_bytes
    if not is_long and _json_bytes(result.to_variables()) <= limit_bytes:
        return result
    emptied = result.model_copy(update={"truncated": True})
    emptied = _replace_bodies(emptied, _cut(plain, 0), _cut(html, 0))
    free_bytes = limit_bytes - _json_bytes(emptied.to_variables())
    if free_bytes < 0:
        raise ResultTooLarge(
            "The email cannot be reported to Camunda: even without its text it takes"
            f" {limit_bytes - free_bytes} bytes, and the limit is {limit_bytes}.",
            bytes=limit_bytes - free_bytes,
            limit=limit_bytes,
        )
    html_cut = _cut(html, max(free_bytes // 2, free_bytes - _text_bytes(plain, free_bytes)))
    plain_cut = _cut(plain, free_bytes - _text_bytes(html_cut, free_bytes))
    return _replace_bodies(emptied, plain_cut, html_cut)


def _text_bytes(text: str | None, most: int) -> int:
    """Return the bytes of a text in JSON without its quotes; of a long text at least `most`."""
    return 0 if text is None else _json_bytes(text[:most]) - len('""')


def _cut(text: str | None, free_bytes: int) -> str | None:
    """Return the longest beginning of a text that takes at most `free_bytes` bytes in JSON."""
    if text is None:
        return None
    kept = 0
    step = min(len(text), max(0, free_bytes))
    while step:
        cost = _text_bytes(text[kept : kept + step], step)
        if cost <= free_bytes:
            kept += step
            free_bytes -= cost
            step = min(step, len(text) - kept)
        else:
            step //= 2
    return text[:kept]


def _replace_bodies(result: ReadEmail, plain: str | None, html: str | None) -> ReadEmail:
    return result.model_copy(update={"plain_text_body": plain, "html_body": html})


def _json_bytes(value: Any) -> int:
    return len(json.dumps(value))
