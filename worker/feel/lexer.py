"""Splits the source text into tokens and reads them one by one; limits how deep the syntax is nested."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from worker.feel.error import FeelError

MAX_SOURCE = 50_000
MAX_NESTING = 50
RESERVED = frozenset(
    {"null", "true", "false", "function", "in", "return", "then", "else", "satisfies", "and", "or"}
)
END = "end"

_SPACE = r"\s\x85\u00a0\u180e\u200b\ufeff"
_CURRENCIES = r"$\u20ac\u00a3\u00a5"
_TOKEN = re.compile(
    rf"""
    (?P<space> [{_SPACE}]+ | //[^\n]* | /\*.*?\*/ )
  | (?P<number> [0-9]+(?:\.[0-9]+)? | \.[0-9]+ )
  | (?P<name> (?:[^\W\d]|[{_CURRENCIES}])[\w{_CURRENCIES}]* )
  | (?P<string> "(?:\\.|[^"\\])*" )
  | (?P<quoted> `[^`]+` )
  | (?P<unclosed> ["`] | /\* )
  | (?P<operator> \*\* | \.\. | <= | >= | != | . )
    """,
    re.VERBOSE | re.DOTALL,
)
# As other languages and word processors write it, and as FEEL does.
_HINTS = {
    **dict.fromkeys("“”„\u2018\u2019'", '; write texts in "straight quotes"'),
    "&": "; write and",
    "|": "; write or",
    "!": "; write not(…)",
    ";": "; leave it out",
}
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


class TokenReader:
    """Takes one token after the other, or raises FeelError with the place of one that does not fit."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_SOURCE:
            raise FeelError(f"The expression has more than {MAX_SOURCE} characters.", 1, 1)
        self.text = text
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self.tokens = self._read_tokens()
        self.index = 0
        self._nesting = 0

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

    @property
    def token(self) -> Token:
        """The next token, not taken yet."""
        return self.tokens[self.index]

    def peek(self, offset: int = 1) -> Token:
        """Return a token further on."""
        return self.tokens[min(self.index + offset, len(self.tokens) - 1)]

    def comes(self, *words: str) -> bool:
        """Whether the next tokens are these words."""
        return all(self.peek(offset).text == word for offset, word in enumerate(words))

    def advance(self) -> Token:
        """Take the token."""
        token = self.token
        self.index += token.kind != END
        return token

    def accept(self, text: str) -> bool:
        """Take the token if it is this operator or word."""
        is_found = self.token.text == text
        self.index += is_found
        return is_found

    def expect(self, text: str) -> None:
        """Take this operator or word, or raise."""
        if not self.accept(text):
            raise self.error(f"Expected {text!r}")

    def error(self, expected: str) -> FeelError:
        """Return the error that this token is not what was expected."""
        text = self.token.text
        found = "the expression ends" if self.token.kind == END else f"found {text[:40]!r}"
        return FeelError(f"{expected}, but {found}{_HINTS.get(text, '')}.", *self.place(self.token.start))

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Count one level of nesting."""
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            place = self.place(self.token.start)
            raise FeelError(f"The expression is nested more than {MAX_NESTING} levels deep.", *place)
        yield
        self._nesting -= 1

    def name(self) -> str:
        """Read a name, perhaps in backticks."""
        token = self.token
        if token.kind == "quoted":
            return self.advance().text[1:-1]
        if token.kind != "name" or token.text in RESERVED:
            raise self.error("Expected a name")
        return self.advance().text


_ESCAPE = re.compile(r"""(?<!\\)\\([nrtbf'"])""")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "'": "'", '"': '"'}


def unescape(literal: str) -> str:
    """Return the text that a literal in quotes stands for; unknown escapes stay, as in the reference."""
    body = literal[1:-1]
    return _ESCAPE.sub(lambda found: _ESCAPED[found[1]], body).replace("\\\\", "\\") if "\\" in body else body
