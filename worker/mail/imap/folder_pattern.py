"""Patterns of folder names: `*` stands for any characters, `%` for those of one level (RFC 3501, 6.3.8)."""

from __future__ import annotations

import re
import unicodedata

_SEVERAL = re.compile(r"[*%]{2,}")


class FolderPattern:
    """A pattern, matched in time that grows with the length of the name, as a regular expression would not.

    `.` and `/` both separate the levels of a pattern; letter case is ignored.
    """

    def __init__(self, pattern: str) -> None:
        pattern = _SEVERAL.sub(lambda found: "*" if "*" in found[0] else "%", _compared(pattern))
        self._end = len(pattern)
        # For each character, the places in the pattern where it stands, as bits.
        self._places: dict[str, int] = {}
        for place, character in enumerate(pattern.replace(".", "/")):
            self._places[character] = self._places.get(character, 0) | 1 << place
        self._any = self._places.pop("*", 0)
        self._in_level = self._places.pop("%", 0)

    def matches(self, name: str, delimiter: str | None) -> bool:
        """Tell whether a folder matches; those under INBOX match without that prefix too."""
        path = _compared(name.replace(delimiter, "/") if delimiter else name)
        return self._matches(path) or self._matches(path.removeprefix("inbox/"))

    def _matches(self, path: str) -> bool:
        reached = self._past_wildcards(1)
        for character in path:
            repeated = self._any if character == "/" else self._any | self._in_level
            matched = reached & self._places.get("/" if character == "." else character, 0)
            reached = self._past_wildcards(reached & repeated | matched << 1)
        return bool(reached >> self._end)

    def _past_wildcards(self, reached: int) -> int:
        """Add the places behind a wildcard, which may stand for nothing."""
        return reached | (reached & (self._any | self._in_level)) << 1


def _compared(text: str) -> str:
    """Return a text without letter case; a letter and its accent may be one character or two."""
    return unicodedata.normalize("NFC", text.casefold())
