"""Every regular expression of the worker takes linear time, whatever a stranger writes."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from testkit.work import LINEAR, TIMES_LARGER, growth_of

import worker

ROOT = Path(worker.__file__).parent
REPEATED = 5_000
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
            methods = {method for used, method in uses(module) if used == name}
            method = "search" if methods - _ANCHORED or not methods else next(iter(methods))
            yield pytest.param(pattern, method, id=f"{module}.{name}")


def scan(pattern: re.Pattern[Any], method: str, text: Any) -> Callable[[], object]:
    if method in _ANCHORED:
        return partial(getattr(pattern, method), text)
    return lambda: sum(1 for _ in pattern.finditer(text))


@pytest.mark.parametrize(("pattern", "method"), [*patterns()])
def test_a_pattern_takes_linear_time_however_often_a_piece_of_what_it_matches_is_repeated(
    pattern: re.Pattern[Any], method: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        examples = st.from_regex(pattern)

    @settings(
        max_examples=15,
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
        piece, tail = text[start:end] or text[:1], text[end : end + 1]
        for rest in (text[:0], tail, b"\0" if isinstance(text, bytes) else "\0"):
            small, large = (
                scan(pattern, method, text[:start] + piece * size + rest)
                for size in (REPEATED, REPEATED * TIMES_LARGER)
            )
            assert growth_of(small, large) < LINEAR, (pattern.pattern, text[:start], piece, rest)

    check()
