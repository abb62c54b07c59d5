"""What a value should have been, in words that need no knowledge of pydantic."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic_core import ErrorDetails

from worker.masking import excerpt

_SHOWN_CHARACTERS = 80
_ENUM_MEMBER = re.compile(r"<[\w.]+: ('[^']*')>")


def shown(value: Any) -> str:
    """Give a value as a message shows it: as FEEL has it, on one line, and not too long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return excerpt(text, _SHOWN_CHARACTERS)


def fault(path: str, expected: str) -> ValueError:
    """Return the error for what is at `path` inside a field, such as `.criteria[1].field`."""
    path = path.removeprefix(".")
    return ValueError(f"has a fault: {path} {expected}" if path else expected)


def number_as_text(value: Any) -> Any:
    """Return a number as FEEL's `string` gives it, such as "4711" or "1.5"; any other value unchanged."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return str(int(value)) if isinstance(value, int) or value.is_integer() else repr(value)


_A_WHOLE_NUMBER = "must be a whole number"
_A_CONTEXT = "must be a context (an object with named fields)"
# By the kinds of pydantic's errors; what is in braces is in their context.
_EXPECTED = {
    "missing": "is required",
    **dict.fromkeys(("int_parsing", "int_parsing_size", "int_type", "int_from_float"), _A_WHOLE_NUMBER),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), "must be a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
    "string_type": "must be text",
    "string_unicode": "must not contain half a character (a lone surrogate)",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), _A_CONTEXT),
    **dict.fromkeys(("list_type", "tuple_type"), "must be a list"),
    "greater_than_equal": "must be at least {ge:.15g}",
    "greater_than": "must be more than {gt:.15g}",
    "less_than_equal": "must be at most {le:.15g}",
    "string_too_long": "must have at most {max_length:,} characters",
    "too_long": "must have at most {max_length:,} entries",
}


def expectation(error: ErrorDetails) -> str:
    """Return a phrase that completes "<field> …", such as "must be a whole number"."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"]).removesuffix(".")
    if kind in ("enum", "literal_error"):
        return f"must be {_ENUM_MEMBER.sub(lambda member: member[1], str(context['expected']))}"
    if kind == "too_long" and context["field_type"] == "Value":  # of a secret text
        kind = "string_too_long"
    if kind in _EXPECTED:
        return _EXPECTED[kind].format(**context)
    return error["msg"][0].lower() + error["msg"][1:]
