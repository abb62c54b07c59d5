"""Turns patterns in Java's syntax into programs, as Thompson did. What needs backtracking is refused.

Refused are lookaround, back references, possessive quantifiers and atomic groups: without them each
pattern can be matched in time proportional to the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from worker.feel.character_sets import CLASSES, LINE_ENDS, CharacterSet, Predicate
from worker.feel.error import FeelError
from worker.feel.pattern_reader import InvalidPatternError, PatternReader
from worker.feel.run import Run

MAX_PATTERN = 2_000
MAX_REPEAT = 1_000
MAX_GROUPS = 50
MAX_COPIES = 20_000
# To compute whether a set has a character may take a test for each few characters of the pattern.
_PATTERN_PER_STEP = 8
_MAX_NESTING = 50
_ASSERTIONS = {"b": "word edge", "B": "no word edge", "A": "start", "z": "end", "Z": "last line end"}
_BOUNDS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_COUNTS = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
_UNSUPPORTED_ESCAPES = ("X", "G", "b{")
_UNSUPPORTED_FLAGS = ("U", "d")
_UNSUPPORTED_GROUPS = ("?=", "?!", "?<=", "?<!", "?>")


@dataclass(frozen=True, slots=True)
class Assertion:
    """Go on if the place is one of that kind: the start, the end, the edge of a word."""

    kind: str


@dataclass(frozen=True, slots=True)
class Fork:
    """Go on at both of two instructions, rather at the first; both are counted from this one."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Save:
    """Remember the place in a slot: where a group starts, or ends."""

    slot: int


Instruction = CharacterSet | Assertion | Fork | Save | None
"""A set of characters: go on if it has the next one. None: the pattern has matched."""

_Program = list[Instruction]


class PatternParser(PatternReader):
    """Recursive descent over the characters of a pattern."""

    def __init__(self, pattern: str, flags: str, run: Run) -> None:
        if len(pattern) > MAX_PATTERN:
            raise FeelError(f"The pattern has more than {MAX_PATTERN} characters.")
        super().__init__(pattern, flags)
        self.run = run
        self.steps_per_answer = 1 + len(pattern) // _PATTERN_PER_STEP
        self._nesting = 0
        self._copies = 0
        self.group_count = 0
        self.group_names: dict[str, int] = {}

    def parse(self) -> list[Instruction]:
        """Return the program of the whole pattern."""
        program = self._choice()
        if self.next():
            raise InvalidPatternError("unmatched )")
        return [Save(0), *program, Save(1), None]

    def _choice(self) -> _Program:
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise FeelError(f"The pattern is nested more than {_MAX_NESTING} levels deep.")
        flags = self.flags
        alternatives = [self._sequence()]
        while self.accept("|"):
            alternatives.append(self._sequence())
        self._nesting -= 1
        self.flags = flags
        size = sum(len(each) + 2 for each in alternatives) - 2
        program: _Program = []
        for alternative in alternatives[:-1]:
            program += (Fork(1, len(alternative) + 2), *alternative)
            rest = size - len(program)
            program.append(Fork(rest, rest))
        return program + alternatives[-1]

    def _sequence(self) -> _Program:
        program: _Program = []
        while self.next() not in {"", "|", ")"}:
            if self.accept("\\Q"):
                quoted: _Program = [self.characters(self.single(character)) for character in self.quoted()]
                program += (*quoted[:-1], *self._repeated(quoted[-1:]))
            elif not ("x" in self.flags and self._skip_comment()):
                part = self._atom()
                if part is not None:
                    program += self._repeated(part)
        return program

    def _skip_comment(self) -> bool:
        start = self.at
        if self.accept("#"):
            while self.next() not in {"", "\n"}:
                self.take()
        while self.next() and CLASSES["s"](self.next()):
            self.take()
        return self.at > start

    def _repeated(self, part: _Program) -> _Program:
        if "x" in self.flags:
            self._skip_comment()
        bounds = self._bounds()
        if bounds is None:
            return part
        if self.next() == "+":
            raise FeelError("The pattern has a possessive quantifier, which is not supported.")
        low, high = bounds
        is_greedy = not self.accept("?")
        optional = 1 if high is None else high - low
        copies = low * len(part) + optional * (len(part) + 1)
        self._copies += copies
        if self._copies > MAX_COPIES:
            raise FeelError("The pattern is too large.")
        self.run.spend(copies)
        program = part * low
        for left in range(optional, 0, -1):
            behind = left * (len(part) + 1) + (high is None)
            program += (Fork(1, behind) if is_greedy else Fork(behind, 1), *part)
        if high is None:
            program.append(Fork(-len(part) - 1, -len(part) - 1))
        return program

    def _bounds(self) -> tuple[int, int | None] | None:
        if self.next() in _BOUNDS:
            return _BOUNDS[self.take()]
        if self.next() != "{":
            return None
        found = _COUNTS.match(self.pattern, self.at)
        if found is None:
            raise InvalidPatternError("bad repetition")
        self.at = found.end()
        low, high = int(found[1]), int(found[3] or found[1])
        if high < low:
            raise InvalidPatternError("bad repetition")
        if high > MAX_REPEAT:
            raise FeelError(f"The pattern repeats a part more than {MAX_REPEAT} times.")
        return low, None if found[2] and not found[3] else high

    def _atom(self) -> _Program | None:
        character = self.take()
        match character:
            case "(":
                return self._group()
            case "[":
                return [self.characters(self.character_class())]
            case ".":
                refused = "" if "s" in self.flags else LINE_ENDS
                return [self.characters(lambda character: character not in refused)]
            case "^":
                return [Assertion("line start" if "m" in self.flags else "start")]
            case "$":
                return [Assertion("line end" if "m" in self.flags else "last line end")]
            case "\\":
                return self._escape()
            case "*" | "+" | "?":
                raise InvalidPatternError("nothing to repeat")
            case "{":
                # As in Java, bounds behind nothing, or behind other bounds, repeat nothing.
                self.at -= 1
                return []
            case _:
                return [self.characters(self.single(character))]

    def _escape(self) -> _Program:
        character = self.next()
        if self.pattern.startswith(_UNSUPPORTED_ESCAPES, self.at):
            raise FeelError("The pattern has \\X, \\G or \\b{g}, which are not supported.")
        if character in _ASSERTIONS:
            return [Assertion(_ASSERTIONS[self.take()])]
        if self.accept("R"):
            pair = (self.characters("\r".__eq__), self.characters("\n".__eq__))
            return [Fork(1, 4), *pair, Fork(2, 2), self.characters(CLASSES["v"])]
        if character in set("123456789k"):
            raise FeelError("The pattern has a back reference, which is not supported.")
        escaped = self.escaped()
        return [self.characters(self.single(escaped) if isinstance(escaped, str) else escaped)]

    def _group(self) -> _Program | None:
        """Read a group behind its `(`; one that only changes flags, like `(?i)`, is no part."""
        if self.pattern.startswith(_UNSUPPORTED_GROUPS, self.at):
            raise FeelError("The pattern has a lookaround or an atomic group, which are not supported.")
        flags = self.flags
        number = 0
        if self.accept("?<"):
            number = self._new_group(self._group_name())
        elif not self.accept("?"):
            number = self._new_group()
        elif self._change_flags() == ")":
            return None
        part = self._choice()
        if not self.accept(")"):
            raise InvalidPatternError("unclosed group")
        self.flags = flags
        return [Save(2 * number), *part, Save(2 * number + 1)] if number else part

    def characters(self, predicate: Predicate) -> CharacterSet:
        """Return the set of the characters for which this is true."""
        return CharacterSet(predicate, self.run, self.steps_per_answer)

    def _new_group(self, name: str | None = None) -> int:
        self.group_count += 1
        if self.group_count > MAX_GROUPS:
            raise FeelError(f"The pattern has more than {MAX_GROUPS} groups.")
        if name is not None:
            if name in self.group_names:
                raise InvalidPatternError("two groups of one name")
            self.group_names[name] = self.group_count
        return self.group_count

    def _group_name(self) -> str:
        name, _, _ = self.pattern[self.at :].partition(">")
        if not (name.isascii() and name.isalnum() and name[0].isalpha()):
            raise InvalidPatternError("bad group name")
        self.at += len(name) + 1
        return name

    def _change_flags(self) -> str:
        """Read flags like `i-s`; return what ends them: `:` for this group, `)` for the rest of the outer."""
        is_on = True
        while (character := self.take()) not in {":", ")"}:
            if character == "-":
                is_on = False
            elif is_on and character in _UNSUPPORTED_FLAGS:
                raise FeelError(f"The pattern has the flag {character}, which is not supported.")
            elif character in set("ismxudU"):
                self.flags = self.flags | {character} if is_on else self.flags - {character}
            else:
                raise InvalidPatternError("unknown group")
        return character
