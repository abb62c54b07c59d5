"""Matches a pattern in time proportional to the text: it follows all ways through the pattern together.

This is Thompson's machine with Pike's captures: the threads are kept in order of preference, so the
match that is found is the one that Java finds by backtracking. Why not a library: compared with Java on
4,788 patterns, re2 and regex are silently wrong twice as often, and neither can be stopped in time.
"""

from __future__ import annotations

from collections.abc import Iterator

from worker.feel.character_sets import CLASSES, LINE_ENDS, CharacterSet
from worker.feel.pattern_syntax import Assertion, Fork, PatternParser, Save
from worker.feel.run import Run

_SKIPPED_PER_STEP = 20
_SKIPPED_AT_ONCE = 100
_Places = tuple[int, ...]
_Threads = dict[int, _Places]


class Pattern:
    """A pattern made ready to search; raises InvalidPatternError, and FeelError for unsupported syntax."""

    def __init__(self, pattern: str, flags: str, run: Run) -> None:
        parser = PatternParser(pattern, flags, run)
        self._program = parser.parse()
        self.group_count = parser.group_count
        self.group_names = parser.group_names
        self._run = run
        sets = self._first_sets()
        # The characters with which a match can begin, if it cannot be empty.
        self._first = (
            parser.characters(lambda character: any(each[character] for each in sets)) if sets else None
        )

    def _first_sets(self) -> list[CharacterSet]:
        """Return the sets of which one has the first character of a match; none if it can be empty."""
        pending, visited = [0], set[int]()
        # One set may stand at many places: a part that is repeated is there as often.
        sets: dict[int, CharacterSet] = {}
        while pending:
            index = pending.pop()
            if index in visited:
                continue
            visited.add(index)
            match self._program[index]:
                case None:
                    return []
                case CharacterSet() as members:
                    sets[id(members)] = members
                case Fork(first, second):
                    pending += (index + first, index + second)
                case _:
                    pending.append(index + 1)
        return list(sets.values())

    def search(self, text: str, start: int) -> _Places | None:
        """Return the places (start and end of each group, -1: none) of the first match, or null."""
        found: _Places | None = None
        threads: _Threads = {}
        at = start
        while at <= len(text) and (found is None or threads):
            if found is None:
                at = at if threads else self._next_start(text, at)
                self._follow(threads, 0, (-1,) * (2 * self.group_count + 2), at, text)
            self._run.spend(1 + len(threads))
            following: _Threads = {}
            for index, places in threads.items():
                instruction = self._program[index]
                if instruction is None:
                    # The threads behind this one are less preferred than a match.
                    found = places
                    break
                if at < len(text) and isinstance(instruction, CharacterSet) and instruction[text[at]]:
                    self._follow(following, index + 1, places, at + 1, text)
            threads = following
            at += 1
        return found

    def _next_start(self, text: str, at: int) -> int:
        """Return the next place where a match can start, going by its first character."""
        first = self._first
        if first is None:
            return at
        for begin in range(at, len(text), _SKIPPED_AT_ONCE):
            end = min(begin + _SKIPPED_AT_ONCE, len(text))
            start = next((place for place in range(begin, end) if first[text[place]]), end)
            self._run.spend((start - begin) // _SKIPPED_PER_STEP)
            if start < end:
                return start
        return len(text)

    def _follow(self, threads: _Threads, index: int, places: _Places, at: int, text: str) -> None:
        """Add the threads that start at an instruction: those that wait for a character, or have matched."""
        pending = [(index, places)]
        while pending:
            index, places = pending.pop()
            if index in threads:
                continue
            threads[index] = places
            match self._program[index]:
                case Fork(first, second):
                    pending += ((index + second, places), (index + first, places))
                case Save(slot):
                    pending.append((index + 1, (*places[:slot], at, *places[slot + 1 :])))
                case Assertion(kind):
                    if _is_true(kind, text, at):
                        pending.append((index + 1, places))

    def matches(self, text: str) -> Iterator[_Places]:
        """Yield one match after the other, as Java's `find()`."""
        start = 0
        while start <= len(text) and (places := self.search(text, start)):
            yield places
            start = places[1] + (places[0] == places[1])


def _is_true(kind: str, text: str, at: int) -> bool:
    is_end = at == len(text)
    # No line starts or ends between the two characters of one line end.
    is_between = text[at - 1 : at + 1] == "\r\n"
    match kind:
        case "start":
            return at == 0
        case "end":
            return is_end
        case "line start":
            return not is_end and (at == 0 or (text[at - 1] in LINE_ENDS and not is_between))
        case "line end":
            return is_end or (text[at] in LINE_ENDS and not is_between)
        case "last line end":
            is_last = at + 1 == len(text) or (at + 2 == len(text) and text.endswith("\r\n"))
            return is_end or (is_last and text[at] in LINE_ENDS and not is_between)
    is_word = CLASSES["w"]
    is_edge = (at > 0 and is_word(text[at - 1])) != (not is_end and is_word(text[at]))
    return is_edge == (kind == "word edge")
