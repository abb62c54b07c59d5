"""Reads the tokens of a source one by one, and limits how deep the syntax is nested."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from worker.feel.error import FeelError
from worker.feel.lexer import END, RESERVED, Source, Token

MAX_NESTING = 50


class TokenReader:
    """Takes one token after the other, or raises FeelError with the place of one that does not fit."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens = source.tokens
        self.index = 0
        self._nesting = 0

    @property
    def token(self) -> Token:
        """The next token, not taken yet."""
        return self.tokens[self.index]

    def peek(self, offset: int = 1) -> Token:
        """Return a token further on."""
        return self.tokens[min(self.index + offset, len(self.tokens) - 1)]

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
        """Take this operator or word (or the end), or raise."""
        if self.token.kind == END == text or self.accept(text):
            return
        raise self.error(f"Expected {'the end' if text == END else repr(text)}")

    def error(self, expected: str) -> FeelError:
        """Return the error that this token is not what was expected."""
        found = "the expression ends" if self.token.kind == END else f"found {self.token.text[:40]!r}"
        return FeelError(f"{expected}, but {found}.", *self.source.place(self.token.start))

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Count one level of nesting."""
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            place = self.source.place(self.token.start)
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
