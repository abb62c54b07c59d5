"""Every regular expression of the worker takes linear time, whatever a stranger writes."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from testkit.pattern_digests import patterns_in
from testkit.work import LINEAR, TIMES_LARGER, growth_of

import worker

ROOT = Path(worker.__file__).parent
# So many repetitions, the fewest first: what takes exponential time would not end with more, and what takes
# quadratic time is found early.
REPEATED = (20, 150, 700, 2_000, 8_000)
# What a pattern may look for in vain at each of many places: how it begins, and what is repeated.
VAIN = (
    *(('"', '\\"'), ("(", "\\("), ("<", '\\"'), ("", '<"'), ("", "()"), ("", "(a"), ("", '"')),
    *(("", piece) for piece in (" ", "\t\n", "a", "a ", " .", "a=", "=?", "1")),
)
# What may stand behind a word of a pattern and open something that is then looked for in vain.
OPENED = ("", " ", " (", "(", ' "', '"', "[", "<", "=", ":", "{")
_WORD = re.compile(r"(?<![\\])[A-Za-z]{2,}")
_ANCHORED = {"match", "fullmatch"}
_FUNCTIONS = {*_ANCHORED, "compile", "search", "sub", "split", "findall", "finditer"}
# Not tried, because what they read is bounded before or holds no repetition.
BOUNDED = {
    "worker.feel.lexer._TOKEN": "it reads 50,000 characters, and ends at the first text that is not closed",
    "worker.mail.imap.criteria._QUOTED": "it reads what imap_tools has written, where each quote has its end",
    "worker.mail.refusals._MEANINGS": "it reads 1,000 characters",
    "worker.mail.message.parse_bodies._META_CHARSET": "it reads 1,024 octets, and no repetition exceeds 200",
}
# Made from other texts at run time: only these, as they repeat nothing.
BUILT = {
    "worker.job.assignment": "the name of a field, escaped",
    "worker.mail.imap.folders": "the constant INBOX",
    "worker.mail.local_search": "a set of letters",
    "worker.mail.refusals": "_MEANINGS, above",
    "worker.feel": "the pattern of an expression, whose steps are counted",
}


def modules() -> Iterator[str]:
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        if "sandbox" not in name and not name.endswith("__main__"):
            yield name


@cache
def source(module: str) -> ast.Module:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return ast.parse(Path(spec.origin).read_text("utf-8"))


def calls(tree: ast.Module) -> Iterator[tuple[str, str, ast.Call]]:
    """Yield the calls of methods of what has a name: the name, the method and the call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            yield (owner.id if isinstance(owner, ast.Name) else ""), node.func.attr, node


def method_of(used: set[str]) -> str:
    """Return how to try a pattern: where it may begin anywhere, that is what takes longest."""
    return "search" if used - _ANCHORED or not used else used.pop()


def patterns(module: str) -> Iterator[tuple[re.Pattern[Any], str]]:
    """Yield each pattern of a module, and how to try it."""
    tree = source(module)
    for name, value in vars(importlib.import_module(module)).items():
        found = [] if f"{module}.{name}" in BOUNDED else [*patterns_in(value)]
        used = {each.attr for each in attributes(tree) if each.value.id == name} if found else set()
        for pattern in found:
            yield pattern, method_of(set(used))
    for owner, method, call in calls(tree):
        constant = call.args[0] if owner == "re" and method in _FUNCTIONS - {"compile"} else None
        if isinstance(constant, ast.Constant):
            yield re.compile(constant.value), method_of({method})


def attributes(tree: ast.Module) -> Iterator[Any]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node


def examples_of(pattern: re.Pattern[Any]) -> st.SearchStrategy[str]:
    """Return texts that match; those of patterns of bytes as Latin-1, as hypothesis knows no case in them."""
    if isinstance(pattern.pattern, bytes):
        pattern = re.compile(pattern.pattern.decode("latin_1"), pattern.flags | re.ASCII)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return st.from_regex(pattern, alphabet=st.characters(exclude_categories=())) | st.text(max_size=4)


def scan(pattern: re.Pattern[Any], method: str, text: str) -> Callable[[], object]:
    subject = text.encode("latin_1", "replace") if isinstance(pattern.pattern, bytes) else text
    if method in _ANCHORED:
        return partial(getattr(pattern, method), subject)
    return lambda: sum(1 for _ in pattern.finditer(subject))


def check_growth(pattern: re.Pattern[Any], method: str, start: str, piece: str, tail: str) -> None:
    for most, rest in zip(REPEATED, ("\0", tail, tail, tail, "\0"), strict=True):
        small, large = (
            scan(pattern, method, start + piece * size + rest) for size in (most // TIMES_LARGER, most)
        )
        assert growth_of(small, large) < LINEAR, (pattern.pattern, start, piece, rest)


def words_of(pattern: re.Pattern[Any]) -> list[str]:
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin_1")
    return list(dict.fromkeys(_WORD.findall(re.sub(r"\?P<\w+>", "", source))))


def check_linear(pattern: re.Pattern[Any], method: str) -> None:
    opened = [("", word + opening) for word in words_of(pattern) for opening in OPENED]
    for start, piece in (*VAIN, *opened):
        check_growth(pattern, method, start, piece, "\0")

    @settings(
        max_examples=6,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(examples_of(pattern), st.data())
    def check(text: str, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, max(len(text) - 1, 0)))
        end = data.draw(st.integers(start, min(len(text), start + 3)))
        check_growth(pattern, method, text[:start], text[start:end] or text[:1], text[end : end + 1] + "\0")

    check()


@pytest.mark.parametrize("module", [*modules()])
def test_a_pattern_takes_linear_time_however_often_a_piece_of_what_it_matches_is_repeated(
    module: str,
) -> None:
    for pattern, method in patterns(module):
        check_linear(pattern, method)


def test_the_patterns_of_modules_and_of_functions_are_found() -> None:
    assert {"worker.mail.refusals", "worker.mail.pop3.replies"} <= set(modules())
    found = [pattern.pattern for pattern, _ in patterns("worker.mail.pop3.replies")]
    assert found == [rb"\+OK\b", r"[-+]ERR\b"]
    assert [*patterns("worker.mail.connection")] == [(re.compile(r"\[Errno (\d+)\]"), "search")]


@pytest.mark.parametrize(
    "pattern",
    [r"\s+=", rb"[a-z]+\d", r"(?:\([^()]*\)|[^<])*<", r"\s*\s*=", r'"(?:\\.|[^"\\])*"', r"FLAGS \(([^)]*)\)"],
)
def test_a_pattern_of_more_than_linear_time_is_found(pattern: str | bytes) -> None:
    with pytest.raises(AssertionError):
        check_linear(re.compile(pattern), "search")


def test_no_other_pattern_is_made_of_other_texts() -> None:
    for module in modules():
        for owner, method, call in calls(source(module)):
            is_in_function = call.col_offset > 0 and owner == "re" and method in _FUNCTIONS
            is_constant = isinstance(call.args[0] if call.args else None, ast.Constant)
            if is_in_function and not is_constant and not is_at_module_level(module, call):
                assert any(module.startswith(known) for known in BUILT), (module, call.lineno)


def is_at_module_level(module: str, call: ast.Call) -> bool:
    """Tell whether a pattern is made with the module, so that it is tried with all others."""
    functions = [node for node in ast.walk(source(module)) if isinstance(node, ast.FunctionDef)]
    return not any(node.lineno <= call.lineno <= (node.end_lineno or 0) for node in functions)
