"""Every regular expression of the worker takes linear time, whatever a stranger writes."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import itertools
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from testkit.work import LINEAR, TIMES_LARGER, growth_of

import worker
from worker.models.addresses import parse_addresses
from worker.models.message import _HALF_CHARACTER

ROOT = Path(worker.__file__).parent
REPEATED = 2_000
# A pattern that needs less processor time for the long text is not looked at more closely.
QUICK_SECONDS = 0.01
HOSTILE = " \t\"'\\(<{[.,;:=@-0aZ"
# What they read is bounded before: an entry of a list of addresses to 2,000 characters.
BOUNDED = {"worker.models.addresses._NAMED", "worker.models.addresses._QUOTED_PART"}
_ANCHORED = {"match", "fullmatch"}


def modules() -> Iterator[str]:
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        if "sandbox" not in name and not name.endswith("__main__"):
            yield name


def uses(module: str) -> Iterator[tuple[str, str]]:
    """Yield the names of the patterns of a module, and the methods that are called on them."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    for node in ast.walk(ast.parse(Path(spec.origin).read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr


def patterns() -> Iterator[Any]:
    for module in modules():
        found = {
            name: value
            for name, value in vars(importlib.import_module(module)).items()
            if isinstance(value, re.Pattern)
        }
        for name, pattern in found.items():
            if f"{module}.{name}" in BOUNDED:
                continue
            methods = {method for used, method in uses(module) if used == name}
            method = "search" if methods - _ANCHORED or not methods else next(iter(methods))
            yield pytest.param(pattern, method, id=f"{module}.{name}")


def matches_of(pattern: re.Pattern[Any]) -> st.SearchStrategy[Any]:
    """Texts that the pattern matches; octets are made from characters, which Hypothesis can always do."""
    if isinstance(pattern.pattern, str):
        return st.from_regex(pattern) if pattern is not _HALF_CHARACTER else st.just("\ud800")
    flags = re.RegexFlag(pattern.flags) & (re.IGNORECASE | re.DOTALL | re.MULTILINE) | re.ASCII
    # An end of the text (\\Z) within a lookahead is more than Hypothesis can do.
    as_text = re.compile(pattern.pattern.decode("latin-1").replace(r"\Z", r"\n"), flags)
    octets = st.characters(max_codepoint=255)
    return st.from_regex(as_text, alphabet=octets).map(lambda text: text.encode("latin-1"))


def is_slow(work: Callable[[], object]) -> bool:
    began_at = time.process_time()
    work()
    return time.process_time() - began_at > QUICK_SECONDS


def scan(pattern: re.Pattern[Any], method: str, text: Any) -> Callable[[], object]:
    if method in _ANCHORED:
        return partial(getattr(pattern, method), text)
    return lambda: sum(1 for _ in pattern.finditer(text))


def check_growth(pattern: re.Pattern[Any], method: str) -> None:
    """Repeat pieces of what a pattern matches; fails where its time grows faster than the text."""
    examples = matches_of(pattern)

    @settings(
        max_examples=8,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(examples, st.data())
    def check(text: Any, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, max(len(text) - 1, 0)))
        end = data.draw(st.integers(start, min(len(text), start + 3)))
        own_piece, tail = text[start:end] or text[:1], text[end : end + 1]
        is_bytes = isinstance(text, bytes)
        hostile = [sign.encode() if is_bytes else sign for sign in HOSTILE]
        for piece, rest in itertools.product((own_piece, *hostile), (tail, b"\0" if is_bytes else "\0")):
            small, large = (
                scan(pattern, method, text[:start] + piece * size + rest)
                for size in (REPEATED, REPEATED * TIMES_LARGER)
            )
            if is_slow(large):
                assert growth_of(small, large) < LINEAR, (pattern.pattern, text[:start], piece, rest)

    check()


@pytest.mark.parametrize(("pattern", "method"), [*patterns()])
def test_a_pattern_takes_linear_time_however_often_a_piece_of_what_it_matches_is_repeated(
    pattern: re.Pattern[Any], method: str
) -> None:
    check_growth(pattern, method)


def test_a_pattern_that_takes_more_is_found() -> None:
    with pytest.raises(AssertionError):
        check_growth(re.compile(r"\{\{\s*secrets\.([^{}]*?)\s*\}\}"), "search")


def test_what_a_pattern_of_addresses_reads_is_bounded() -> None:
    with pytest.raises(ValueError, match="at most 2,000 characters"):
        parse_addresses('"' * 2_001)
