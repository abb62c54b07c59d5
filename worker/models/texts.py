"""Characters that no text of a request may contain."""

from __future__ import annotations

import re

_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")


def check_characters(text: str) -> str:
    """Return `text`; ValueError for half a character, which no server can be sent."""
    if _HALF_CHARACTER.search(text):
        raise ValueError("must not contain half a character (a lone surrogate)")
    return text
