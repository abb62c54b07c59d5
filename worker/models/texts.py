"""Characters that no text of a request may contain, no line, or no name."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from worker.models.bounds import WORDS
from worker.models.expectation import number_as_text

_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BREAK = re.compile(r"[\r\n\0]")


def check_characters(text: str) -> str:
    """Return `text`; ValueError for half a character, which no server can be sent."""
    if _HALF_CHARACTER.search(text):
        raise ValueError("must not contain half a character (a lone surrogate)")
    return text


def check_text(text: str) -> str:
    """Return `text`; ValueError for NUL, which no server can be sent."""
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


def check_name(text: str) -> str:
    """Return `text`; ValueError for a control character, such as a line break."""
    if _CONTROL.search(text):
        raise ValueError("must not contain a line break or another control character")
    return check_characters(text)


def check_line(text: str) -> str:
    """Return `text`; ValueError for a line break, which could begin another command or header field."""
    if _BREAK.search(text):
        raise ValueError("must not contain a line break or NUL")
    return check_characters(text)


def read_words(value: Any) -> Any:
    """Return the words of a list, or of a text with commas between them; blanks and null do not count.

    ValueError for too many: each would be a fault to describe.
    """
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return value
    words = (each.strip() if isinstance(each, str) else number_as_text(each) for each in value)
    read = list(islice((word for word in words if word is not None and word != ""), WORDS + 1))
    if len(read) > WORDS:
        raise ValueError(f"must have at most {WORDS} entries")
    return read
