"""Reading a pattern in Java's syntax, character by character: escapes and classes."""

from __future__ import annotations

from worker.feel.character_sets import CLASSES, Predicate, complement, ignoring_case, named_class
from worker.feel.error import FeelError

_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
_HEXADECIMAL_DIGITS = {"x": 2, "u": 4}


class InvalidPatternError(Exception):
    """The pattern is wrong in Java too; the function that uses it gives null."""


class PatternReader:
    """A cursor on a pattern, and the part of the syntax that stands for one character."""

    def __init__(self, pattern: str, flags: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.flags = frozenset(flags)

    def next(self, length: int = 1) -> str:
        """Return the next characters without taking them."""
        return self.pattern[self.at : self.at + length]

    def take(self) -> str:
        """Take one character."""
        character = self.next()
        if not character:
            raise InvalidPatternError("the pattern ends too early")
        self.at += 1
        return character

    def accept(self, text: str) -> bool:
        """Take this text if it comes next."""
        is_found = self.pattern.startswith(text, self.at)
        self.at += len(text) * is_found
        return is_found

    def escaped(self) -> str | Predicate:
        """Read what stands behind a backslash: one character, or a set of them."""
        character = self.take()
        lower = character.lower()
        if lower in CLASSES:
            return CLASSES[lower] if character == lower else complement(CLASSES[lower])
        if lower == "p":
            return self._property(is_negated=character == "P")
        if character in _HEXADECIMAL_DIGITS:
            return self._code_point(_HEXADECIMAL_DIGITS[character])
        if character.isascii() and character.isalnum() and character not in _CONTROLS:
            raise InvalidPatternError(f"unknown escape {character}")
        return _CONTROLS.get(character, character)

    def _code_point(self, length: int) -> str:
        digits = self.next(length)
        self.at += length
        try:
            return chr(int(digits.ljust(length, "?"), 16))
        except ValueError as error:
            raise InvalidPatternError("expected hexadecimal digits") from error

    def _property(self, *, is_negated: bool) -> Predicate:
        name = self.take()
        if name == "{":
            end = self.pattern.find("}", self.at)
            if end < 0:
                raise InvalidPatternError("unclosed class name")
            name, self.at = self.pattern[self.at : end], end + 1
        predicate = named_class(name)
        if predicate is None:
            raise FeelError(f"The pattern names the class {name[:40]!r}, which is not supported.")
        return complement(predicate) if is_negated else predicate

    def character_class(self) -> Predicate:
        """Read a class, whose `[` is taken, up to its `]`."""
        is_negated = self.accept("^")
        predicate = self._members()
        return complement(predicate) if is_negated else predicate

    def _members(self) -> Predicate:
        members = [self._member()]
        while not self.accept("]"):
            if self.accept("&&"):
                return _both(_any_of(members), self._members())
            members.append(self._member())
        return _any_of(members)

    def _member(self) -> Predicate:
        if self.accept("["):
            return self.character_class()
        first = self._class_character()
        if not isinstance(first, str):
            return first
        if self.next() != "-" or self.next(2)[1:] in {"]", "["}:
            return self.single(first)
        self.take()
        last = self._class_character()
        if not isinstance(last, str) or last < first:
            raise InvalidPatternError("bad range")
        return self._maybe_ignoring_case(lambda character: first <= character <= last)

    def _class_character(self) -> str | Predicate:
        return self.escaped() if self.accept("\\") else self.take()

    def single(self, character: str) -> Predicate:
        """Return the set of one character, or of its two cases."""
        return self._maybe_ignoring_case(character.__eq__)

    def _maybe_ignoring_case(self, predicate: Predicate) -> Predicate:
        return ignoring_case(predicate) if "i" in self.flags else predicate


def _both(left: Predicate, right: Predicate) -> Predicate:
    return lambda character: left(character) and right(character)


def _any_of(members: list[Predicate]) -> Predicate:
    return lambda character: any(member(character) for member in members)
