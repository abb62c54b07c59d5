"""Splits the source text into tokens."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from worker.feel.error import FeelError

MAX_SOURCE = 50_000
RESERVED = frozenset(
    {"null", "true", "false", "function", "in", "return", "then", "else", "satisfies", "and", "or"}
)
END = "end"

_SPACE = r"\s\x85\u00a0\u180e\u200b\ufeff"
_LETTER = r"[^\W\d]|[$\u20ac\u00a3\u00a5]"
_TOKEN = re.compile(
    rf"""
    (?P<space> [{_SPACE}]+ | //[^\n]* | /\*.*?\*/ )
  | (?P<number> [0-9]+(?:\.[0-9]+)? | \.[0-9]+ )
  | (?P<name> (?:{_LETTER})(?:\w|{_LETTER})* )
  | (?P<string> "(?:\\.|[^"\\])*" )
  | (?P<quoted> `[^`]+` )
  | (?P<unclosed> ["`] | /\* )
  | (?P<operator> \*\* | \.\. | <= | >= | != | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_UNCLOSED = {'"': "text", "`": "quoted name", "/*": "comment"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the source: its kind, its text, and where it starts."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.start + len(self.text)


class Source:
    """An expression's text, its tokens, and the place of any offset as line and column."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_SOURCE:
            raise FeelError(f"The expression has more than {MAX_SOURCE} characters.", 1, 1)
        self.text = text
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self.tokens = self._read_tokens()

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def _read_tokens(self) -> tuple[Token, ...]:
        tokens = []
        for found in _TOKEN.finditer(self.text):
            kind = str(found.lastgroup)
            if kind == "unclosed":
                raise FeelError(f"The {_UNCLOSED[found[0]]} is not closed.", *self.place(found.start()))
            if kind != "space":
                tokens.append(Token(kind, found[0], found.start()))
        return (*tokens, Token(END, "", len(self.text)))


_ESCAPE = re.compile(r"""(?<!\\)\\([nrtbf'"])""")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "'": "'", '"': '"'}


def unescape(literal: str) -> str:
    """Return the text that a literal in quotes stands for; unknown escapes stay, as in the reference."""
    body = literal[1:-1]
    return _ESCAPE.sub(lambda found: _ESCAPED[found[1]], body).replace("\\\\", "\\") if "\\" in body else body
