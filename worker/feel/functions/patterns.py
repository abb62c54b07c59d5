"""Functions that take a pattern in Java's syntax. A pattern that is wrong gives null."""

from __future__ import annotations

import re

from worker.feel.pattern import Pattern, compile_pattern
from worker.feel.pattern_reader import InvalidPatternError
from worker.feel.run import Run
from worker.feel.signature import Library
from worker.feel.values import Value

LIBRARY = Library()
_REPLACEMENT = re.compile(r"([^$\\]+)|\\(.)|\$([0-9]+)|\$\{([a-zA-Z][a-zA-Z0-9]*)\}|.", re.DOTALL)

# Whether there is a match does not depend on it, but without it the search can skip through the text.
_LEADING_ANYTHING = re.compile(r"^(\(\?[ismx]+\))?\.\*\??(?![?*+{])")


def _compiled(pattern: str, flags: str = "") -> Pattern | None:
    try:
        return compile_pattern(pattern, "".join(flag for flag in "smix" if flag in flags))
    except InvalidPatternError:
        return None


@LIBRARY.add("matches", "input: string", "pattern: string")
def _matches(run: Run, text: str, pattern: str) -> bool | None:
    return _matches_with_flags(run, text, pattern, "")


@LIBRARY.add("matches", "input: string", "pattern: string", "flags: string")
def _matches_with_flags(run: Run, text: str, pattern: str, flags: str) -> bool | None:
    compiled = _compiled(_LEADING_ANYTHING.sub(r"\1", pattern), flags)
    return None if compiled is None else compiled.search(text, 0, run) is not None


@LIBRARY.add("extract", "input: string", "pattern: string")
def _extract(run: Run, text: str, pattern: str) -> Value:
    compiled = _compiled(pattern)
    if compiled is None:
        return None
    return tuple([text[places[0] : places[1]] for places in compiled.matches(text, run)])


@LIBRARY.add("split", "string: string", "delimiter: string")
def _split(run: Run, text: str, delimiter: str) -> Value:
    compiled = _compiled(delimiter)
    if compiled is None:
        return None
    parts = []
    start = 0
    for places in compiled.matches(text, run):
        # An empty match at the very start leaves no empty part before it.
        if places[1] > 0:
            parts.append(text[start : places[0]])
            start = places[1]
    return (*parts, text[start:])


@LIBRARY.add("replace", "input: string", "pattern: string", "replacement: string")
def _replace(run: Run, text: str, pattern: str, replacement: str) -> str | None:
    return _replace_with_flags(run, text, pattern, replacement, "")


@LIBRARY.add("replace", "input: string", "pattern: string", "replacement: string", "flags: string")
def _replace_with_flags(run: Run, text: str, pattern: str, replacement: str, flags: str) -> str | None:
    compiled = _compiled(pattern, flags)
    if compiled is None:
        return None
    parts: list[str] = []
    start = 0
    for places in compiled.matches(text, run):
        inserted = _expand(replacement, compiled, places, text)
        if inserted is None:
            return None
        run.reserve(len(inserted))
        parts += (text[start : places[0]], inserted)
        start = places[1]
    return "".join((*parts, text[start:]))


def _expand(replacement: str, pattern: Pattern, places: tuple[int, ...], text: str) -> str | None:
    """Put the groups into `$1`, `${name}`; null if there is no such group or a `$` stands alone."""
    parts = []
    for found in _REPLACEMENT.finditer(replacement):
        plain, escaped, digits, name = found.groups()
        if plain or escaped:
            parts.append(plain or escaped)
            continue
        number, rest = _group(digits, pattern.group_count) if digits else (pattern.group_names.get(name), "")
        if number is None:
            return None
        start, end = places[2 * number : 2 * number + 2]
        parts += (text[start:end] if end >= 0 else "", rest)
    return "".join(parts)


def _group(digits: str, count: int) -> tuple[int | None, str]:
    """Take as many digits as give the number of a group; the others stand for themselves."""
    length = 1
    while length < len(digits) and int(digits[: length + 1]) <= count:
        length += 1
    number = int(digits[:length])
    return (number if number <= count else None), digits[length:]
