"""The one error of this package."""

from __future__ import annotations


class FeelError(Exception):
    """An expression that cannot be read or evaluated: one sentence, and where in the source.

    `line` and `column` count from 1; both are 0 while the place is not known yet.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"{self.message} (line {self.line}, column {self.column})" if self.line else self.message

    def at(self, line: int, column: int) -> FeelError:
        """Return the error with a place, unless it has one: the innermost place says most."""
        return self if self.line else FeelError(self.message, line, column)
