"""What a value should have been, in words that need no knowledge of pydantic."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic_core import ErrorDetails

from worker.masking import excerpt

_ENUM_MEMBER = re.compile(r"<[\w.]+: ('[^']*')>")


def shown(value: Any, most_characters: int) -> str:
    """Give a value as a message shows it: as FEEL has it, on one line, and not too long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return excerpt(text, most_characters)


def fault(path: str, expected: str) -> ValueError:
    """Return the error for what is at `path` inside a field, such as `.criteria[1].field`."""
    path = path.removeprefix(".")
    return ValueError(f"has a fault: {path} {expected}" if path else expected)


def number_as_text(value: Any) -> Any:
    """Return a number as FEEL's `string` gives it, such as "4711" or "1.5"; any other value unchanged."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return str(int(value)) if isinstance(value, int) or value.is_integer() else repr(value)


def expectation(error: ErrorDetails) -> str:
    """Return a phrase that completes "<field> …", such as "must be a whole number"."""
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "is required"
        case "value_error":
            return str(context["error"]).removesuffix(".")
        case "enum" | "literal_error":
            return f"must be {_ENUM_MEMBER.sub(lambda member: member[1], str(context['expected']))}"
        case "greater_than_equal":
            return f"must be at least {context['ge']:.15g}"
        case "greater_than":
            return f"must be more than {context['gt']:.15g}"
        case "less_than_equal":
            return f"must be at most {context['le']:.15g}"
        case "string_too_long" | "too_long":
            unit = "characters" if error["type"] == "string_too_long" else "entries"
            return f"must have at most {context['max_length']:,} {unit}"
        case _:
            return _kind(error)


def _kind(error: ErrorDetails) -> str:
    match error["type"]:
        case "int_parsing" | "int_parsing_size" | "int_type" | "int_from_float":
            return "must be a whole number"
        case "float_parsing" | "float_type" | "finite_number":
            return "must be a number"
        case "bool_parsing" | "bool_type":
            return "must be true or false"
        case "string_type":
            return "must be text"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be a context (an object with named fields)"
        case "list_type" | "tuple_type":
            return "must be a list"
        case _:
            message = error["msg"]
            return message[0].lower() + message[1:]
