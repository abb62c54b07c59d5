"""What the worker's patterns match, as one line each: equal lines on two versions of Python mean the same.

Up to Python 3.11.4, which Debian 12 has, a group that is repeated possessively may match what it must not.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import random
import re
import sys
from collections.abc import Iterator
from typing import Any

import worker

_TEXTS = 1_000
_LONGEST = 16
_SIGNS = ' "\\\n\r\tab1A.-:=?()<>,%'


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield the patterns of the worker's modules with their names, but not those of the sandbox."""
    for module in pkgutil.walk_packages(worker.__path__, "worker."):
        if not module.name.startswith("worker.sandbox") and not module.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(module.name)).items():
                for pattern in patterns_in(value):
                    yield f"{module.name}.{name}", pattern


def patterns_in(value: Any) -> Iterator[re.Pattern[Any]]:
    """Yield the patterns that a value is, or that stand in its lists and tables."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from patterns_in(item)
    elif isinstance(value, dict):
        yield from patterns_in([*value.values()])


def digest(pattern: re.Pattern[Any]) -> str:
    """Return a digest of what a pattern finds in texts of its own signs and words."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin_1")
    pieces = [*sorted(set(source)), *_SIGNS, *re.findall("[A-Za-z0-9]{2,}", source)]
    chance, found = random.Random(source), hashlib.sha256()
    for _ in range(_TEXTS):
        text: Any = "".join(chance.choices(pieces, k=chance.randrange(_LONGEST)))
        if isinstance(pattern.pattern, bytes):
            text = text.encode("latin_1", "replace")
        spans = [[match.regs, match.groups()] for match in pattern.finditer(text)]
        whole, start = pattern.fullmatch(text), pattern.match(text)
        found.update(repr([spans, whole and whole.groups(), start and start.regs]).encode())
    return found.hexdigest()[:16]


def lines() -> list[str]:
    """Return a line for each pattern."""
    return [f"{name} {digest(pattern)}" for name, pattern in patterns()]


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()))
