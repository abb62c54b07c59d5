"""Reads the escapes and character classes of a pattern in Java's syntax."""

from __future__ import annotations

import re
import unicodedata

from worker.feel.character_sets import (
    CLASSES,
    Predicate,
    complement,
    fold,
    ignoring_any_case,
    ignoring_case,
    in_upper_case,
    named_class,
)
from worker.feel.error import FeelError

_LAST_CHARACTER = 0x10FFFF
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
# What stands behind the letter, in its first group that takes part; a pair of surrogates is one character.
_CODES = {
    "x": re.compile(r"\{([0-9a-fA-F]{1,20})\}|([0-9a-fA-F]{2})"),
    "u": re.compile(r"([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|([0-9a-fA-F]{4})"),
    "0": re.compile(r"([0-3][0-7]{2}|[0-7]{1,2})"),
    "c": re.compile(r".", re.DOTALL),
}


class InvalidPatternError(Exception):
    """The pattern is wrong in Java too; the function that uses it gives null."""


class PatternReader:
    """Reads a pattern character by character: the part of the syntax that stands for one character."""

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
        if character in _CODES:
            return self._code_point(character)
        if character == "N":
            return self._named_character()
        if character.isascii() and character.isalnum() and character not in _CONTROLS:
            raise InvalidPatternError(f"unknown escape {character}")
        return _CONTROLS.get(character, character)

    def _code_point(self, kind: str) -> str:
        r"""Read what stands behind `\x`, `\u`, `\0` or `\c`."""
        found = _CODES[kind].match(self.pattern, self.at)
        if found is None:
            raise InvalidPatternError("wrong code of a character")
        self.at = found.end()
        if kind == "c":
            return chr(ord(found[0]) ^ 0x40)
        if kind == "u" and found[2]:
            return bytes.fromhex(found[1] + found[2]).decode("utf-16-be")
        code = int(found[found.lastindex or 0], 8 if kind == "0" else 16)
        if code > _LAST_CHARACTER:
            raise InvalidPatternError("no such character")
        return chr(code)

    def _named_character(self) -> str:
        name = self._in_braces() if self.next() == "{" else ""
        if not name:
            raise InvalidPatternError("expected the name of a character")
        try:
            return unicodedata.lookup(name)
        except KeyError:
            raise FeelError(f"The pattern names the character {name[:40]!r}, which is not known.") from None

    def _in_braces(self) -> str:
        end = self.pattern.find("}", self.at)
        if end < 0:
            raise InvalidPatternError("unclosed brace")
        text, self.at = self.pattern[self.at + 1 : end], end + 1
        return text

    def _property(self, *, is_negated: bool) -> Predicate:
        name = self._in_braces() if self.next() == "{" else self.take()
        predicate = named_class(name)
        if predicate is None:
            raise FeelError(f"The pattern names the class {name[:40]!r}, which is not supported.")
        return complement(predicate) if is_negated else predicate

    def quoted(self) -> str:
        r"""Read what stands behind `\Q`, up to `\E`."""
        text, _, _ = self.pattern[self.at :].partition("\\E")
        self.at += len(text)
        self.accept("\\E")
        return text

    def character_class(self) -> Predicate:
        """Read a class, whose `[` is taken, up to its `]`."""
        is_negated = self.accept("^")
        predicate = self._members()
        return complement(predicate) if is_negated else predicate

    def _members(self) -> Predicate:
        members = [self._member()]
        while not self.accept("]"):
            if self.accept("&&"):
                left, right = _any_of(members), self._members()
                return lambda character: left(character) and right(character)
            members.append(self._member())
        return _any_of(members)

    def _member(self) -> Predicate:
        if self.accept("["):
            return self.character_class()
        if self.accept("\\Q"):
            return _any_of([self.single(character) for character in self.quoted()])
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
        if {"i", "u"} <= self.flags:
            folded = fold(character)
            has_cases = folded != in_upper_case(character)
            return (lambda other: fold(other) == folded) if has_cases else character.__eq__
        return self._maybe_ignoring_case(character.__eq__)

    def _maybe_ignoring_case(self, predicate: Predicate) -> Predicate:
        if "i" not in self.flags:
            return predicate
        return ignoring_any_case(predicate) if "u" in self.flags else ignoring_case(predicate)


def _any_of(members: list[Predicate]) -> Predicate:
    return lambda character: any(member(character) for member in members)
