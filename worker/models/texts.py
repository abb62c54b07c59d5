"""Characters that no text of a request may contain, or that no line may."""

from __future__ import annotations

import re

_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")
_BREAK = re.compile(r"[\r\n\0]")


def check_characters(text: str) -> str:
    """Return `text`; ValueError for half a character, which no server can be sent."""
    if _HALF_CHARACTER.search(text):
        raise ValueError("must not contain half a character (a lone surrogate)")
    return text


def check_line(text: str) -> str:
    """Return `text`; ValueError for a line break, which could begin another command or header field."""
    if _BREAK.search(text):
        raise ValueError("must not contain a line break or NUL")
    return check_characters(text)
