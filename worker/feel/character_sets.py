r"""Sets of characters in patterns, as Java names them; `\w`, `\d` and `\s` are of ASCII only."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Callable

from worker.feel.run import Run

Predicate = Callable[[str], bool]

LINE_ENDS = frozenset("\n\r\x85\u2028\u2029")
# About as many as a text in a script with many characters has.
_MAX_REMEMBERED = 10_000
_ASCII_LETTERS = frozenset(string.ascii_letters)
_DIGITS = frozenset(string.digits)
_WORD = _ASCII_LETTERS | _DIGITS | {"_"}


class CharacterSet(dict[str, bool]):
    """One character of a set, asked by `set[character]`; it keeps its first answers, and those on ASCII.

    `steps`: what it costs to compute an answer.
    """

    __slots__ = ("_predicate", "_run", "_steps")

    def __init__(self, predicate: Predicate, run: Run, steps: int) -> None:
        super().__init__()
        self._predicate = predicate
        self._run = run
        self._steps = steps

    def __missing__(self, character: str) -> bool:
        self._run.spend(self._steps)
        answer = self._predicate(character)
        # ASCII always: it stays cheap after a text in many scripts.
        if len(self) < _MAX_REMEMBERED or character.isascii():
            self[character] = answer
        return answer


def complement(predicate: Predicate) -> Predicate:
    """Return the predicate of all other characters."""
    return lambda character: not predicate(character)


def ignoring_case(predicate: Predicate) -> Predicate:
    """Return the predicate that takes an ASCII letter in either case."""
    return lambda character: (
        predicate(character) or (character in _ASCII_LETTERS and predicate(character.swapcase()))
    )


def fold(character: str) -> str:
    """Return the character in which its cases agree, as Java finds it: upper case, then lower case."""
    return in_upper_case(character).lower()[0]


def in_upper_case(character: str) -> str:
    """Return the upper case if it is one character too."""
    upper = character.upper()
    return upper if len(upper) == 1 else character


def ignoring_any_case(predicate: Predicate) -> Predicate:
    """Return the predicate that takes a letter of any script in either case."""
    return lambda character: (
        predicate(character) or predicate(fold(character)) or predicate(in_upper_case(character))
    )


CLASSES: dict[str, Predicate] = {
    "d": _DIGITS.__contains__,
    "w": _WORD.__contains__,
    "s": frozenset(" \t\n\x0b\f\r").__contains__,
    "h": frozenset(
        " \t\xa0\u1680\u180e\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
    ).__contains__,
    "v": frozenset("\n\x0b\f\r\x85\u2028\u2029").__contains__,
}
_NAMED: dict[str, Predicate] = {
    "Lower": lambda character: character.isascii() and character.islower(),
    "Upper": lambda character: character.isascii() and character.isupper(),
    "ASCII": str.isascii,
    "Alpha": _ASCII_LETTERS.__contains__,
    "Digit": _DIGITS.__contains__,
    "Alnum": (_ASCII_LETTERS | _DIGITS).__contains__,
    "Punct": frozenset(string.punctuation).__contains__,
    "Space": CLASSES["s"],
    "Blank": frozenset(" \t").__contains__,
    "XDigit": frozenset(string.hexdigits).__contains__,
    "IsAlphabetic": str.isalpha,
    "IsLetter": str.isalpha,
    "IsDigit": lambda character: unicodedata.category(character) == "Nd",
    "IsUppercase": str.isupper,
    "IsLowercase": str.islower,
    "IsWhite_Space": str.isspace,
    "IsPunctuation": lambda character: unicodedata.category(character).startswith("P"),
}
_CATEGORIES = {"L": "ultmo", "M": "nce", "N": "dlo", "P": "cdseifo", "S": "mcko", "Z": "slp", "C": "cfon"}


def named_class(name: str) -> Predicate | None:
    r"""Return the set of `\p{name}`, or None if it is not known here."""
    if name in _NAMED:
        return _NAMED[name]
    category = name.removeprefix("Is")
    if category[1:] not in {"", *_CATEGORIES.get(category[:1], "")} or category[:1] not in _CATEGORIES:
        return None
    return lambda character: unicodedata.category(character).startswith(category)
