"""Functions that take a pattern in Java's syntax. A pattern that Java refuses gives null."""

from __future__ import annotations

import re

from worker.feel.pattern import Pattern
from worker.feel.pattern_reader import InvalidPatternError
from worker.feel.run import Run
from worker.feel.signature import builtin
from worker.feel.values import Value

_STEPS_PER_CHARACTER = 5
_REPLACEMENT = re.compile(r"([^$\\]+)|\\(.)|\$([0-9]+)|\$\{([a-zA-Z][a-zA-Z0-9]*)\}|.", re.DOTALL)

# Whether there is a match does not depend on it, but without it the search can skip through the text.
_LEADING_ANYTHING = re.compile(r"^(\(\?[ismx]+\))?\.\*\??(?![?*+{])")


def _compiled(run: Run, pattern: str, flags: str = "") -> Pattern | None:
    key = pattern, "".join(flag for flag in "smix" if flag in flags)
    if key not in run.patterns:
        run.spend(_STEPS_PER_CHARACTER * len(pattern))
        try:
            run.patterns[key] = Pattern(*key, run)
        except InvalidPatternError:
            run.patterns[key] = None
    found: Pattern | None = run.patterns[key]
    return found


@builtin("matches", "input: string", "pattern: string", "", "flags: string", needs_run=True)
def _matches(run: Run, text: str, pattern: str, flags: str = "") -> bool | None:
    compiled = _compiled(run, _LEADING_ANYTHING.sub(r"\1", pattern), flags)
    return None if compiled is None else compiled.search(text, 0) is not None


@builtin("extract", "input: string", "pattern: string", needs_run=True)
def _extract(run: Run, text: str, pattern: str) -> Value:
    compiled = _compiled(run, pattern)
    if compiled is None:
        return None
    return tuple([text[places[0] : places[1]] for places in compiled.matches(text)])


@builtin("split", "string: string", "delimiter: string", needs_run=True)
def _split(run: Run, text: str, delimiter: str) -> Value:
    compiled = _compiled(run, delimiter)
    if compiled is None:
        return None
    parts = []
    start = 0
    for places in compiled.matches(text):
        # An empty match at the very start leaves no empty part before it.
        if places[1] > 0:
            parts.append(text[start : places[0]])
            start = places[1]
    return (*parts, text[start:])


@builtin(
    "replace", "input: string", "pattern: string", "replacement: string", "", "flags: string", needs_run=True
)
def _replace(run: Run, text: str, pattern: str, replacement: str, flags: str = "") -> str | None:
    compiled = _compiled(run, pattern, flags)
    if compiled is None:
        return None
    parts: list[str] = []
    start = 0
    run.spend(replacement.count("$") + replacement.count("\\"))
    template = _template(replacement, compiled)
    for places in compiled.matches(text):
        if template is None:
            return None
        run.spend(len(template))
        inserted = "".join(
            [part if isinstance(part, str) else _group(part, places, text) for part in template]
        )
        run.reserve(len(inserted))
        parts += (text[start : places[0]], inserted)
        start = places[1]
    return "".join((*parts, text[start:]))


def _template(replacement: str, pattern: Pattern) -> list[str | int] | None:
    """Return the texts and the numbers of groups, as `$1` and `${name}` say; null if one is not there."""
    template: list[str | int] = []
    for found in _REPLACEMENT.finditer(replacement):
        plain, escaped, digits, name = found.groups()
        if plain or escaped:
            template.append(plain or escaped)
            continue
        number, rest = (
            _group_number(digits, pattern.group_count) if digits else (pattern.group_names.get(name), "")
        )
        if number is None:
            return None
        template += (number, rest)
    return template


def _group(number: int, places: tuple[int, ...], text: str) -> str:
    start, end = places[2 * number : 2 * number + 2]
    return text[start:end] if end >= 0 else ""


def _group_number(digits: str, count: int) -> tuple[int | None, str]:
    """Take as many digits as give the number of a group; the others stand for themselves."""
    number, taken = int(digits[0]), 1
    for digit in digits[1:]:
        if number * 10 + int(digit) > count:
            break
        number, taken = number * 10 + int(digit), taken + 1
    return (number if number <= count else None), digits[taken:]
