"""Expressions that want too much end soon, with an error; none reaches anything outside."""

from __future__ import annotations

import ast
import re
import sys
import tracemalloc
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import worker.feel
from worker.feel import FeelError, evaluate
from worker.feel.run import Run

LIMITS = re.compile(
    "more than|too large|too long|too small|nested|not supported|Expected|is not closed|cannot be rounded"
)
FEW_STEPS = 20_000
CALLS_PER_STEP = 20
# To read a source of 50,000 characters and the variables below.
CALLS_TO_BEGIN = 250_000
LIMIT_BYTES = 200_000_000

_DOUBLED_TEXT = "".join(f"x{n + 1}: x{n} + x{n}, " for n in range(60))
_DOUBLED_LIST = "".join(f"x{n + 1}: [x{n}, x{n}], " for n in range(60))
_CALLS = "".join(f"f{n + 1}: function(x) f{n}(f{n}(x)), " for n in range(45))
_ITERATORS = ", ".join(f"x{n} in 1..1000" for n in range(10))
_DOUBLED_REFERENCE = "".join(f"x{n + 1}: x{n} + x{n}, " for n in range(12))
_WRONG_PATTERN = "(?:a{1,9}|b)" * 160 + "("
_LONG = {
    "text": "a" * 1_000_000,
    "list": list(range(200_000)),
    "other": "a" * 999_999 + "b",
    "spaces": " " * 1_000_000,
    "scripts": "".join(map(chr, range(0x100, 0xD000))) * 15,
    "json": "[[" + "1," * 1_000_000 + "1]]",
}

HOSTILE = {
    "a range of a billion": "for x in 1..1000000000 return x",
    "a range up to a huge power": "count(for x in 1..10**999999 return x)",
    "a billion tests": "some x in 1..1000000000 satisfies x < 0",
    "a product of loops": f"for {_ITERATORS} return 1",
    "nested loops": "for a in 1..1000 return for b in 1..1000 return for c in 1..1000 return 1",
    "a loop that reads what it made": "for x in 1..100000 return count(partial)",
    "ten thousand round brackets": "(" * 10_000 + "1" + ")" * 10_000,
    "ten thousand square brackets": "[" * 10_000 + "]" * 10_000,
    "ten thousand curly brackets": "{a:" * 10_000 + "1" + "}" * 10_000,
    "ten thousand open brackets": "(" * 10_000,
    "ten thousand filters inside each other": "a[" * 10_000 + "1" + "]" * 10_000,
    "ten thousand conditions": "if true then " * 3_000 + "1" + " else 1" * 3_000,
    "ten thousand signs": "-" * 10_000 + "1",
    "ten thousand calls": "abs(" * 10_000 + "1" + ")" * 10_000,
    "ten thousand functions": "function(x) " * 3_000 + "1",
    "ten thousand names before a bracket": "a " * 10_000 + "(",
    "ten thousand ranges": "1 in [1.." * 4_000,
    "unclosed comments": "/*" * 20_000,
    "a source that is too long": "1" + " + 1" * 100_000,
    "a huge power": "10 ** 999999",
    "a power of powers": "10 ** 999999999 * 10 ** 999999999 * 10 ** 999999999",
    "an exponent that is too large": "2 ** (10 ** 30)",
    "a huge number as a text": 'number("1e999999999") + 1',
    "a huge number rounded": 'decimal(number("1e999999999"), 2)',
    "a tiny number rounded": "decimal(1/3, 999999999)",
    "a huge scale": 'floor(1, number("1e999999999"))',
    "a huge position": 'sublist([1], number("1e999999999"))',
    "a huge remainder": 'modulo(number("1e999999999"), 7)',
    "texts that double": f'{{x0: "0123456789", {_DOUBLED_TEXT} r: 1}}',
    "lists that double": f"{{x0: [1, 2], {_DOUBLED_LIST} r: 1}}",
    "lists that double, flattened": f"{{x0: [1, 2], {_DOUBLED_LIST} r: flatten(x60)}}",
    "lists that double, as a text": f"{{x0: [1, 2], {_DOUBLED_LIST} r: string(x60)}}.r",
    "lists that double, as JSON": f"{{x0: [1, 2], {_DOUBLED_LIST} r: to json(x60)}}.r",
    "lists that double, compared": (
        f"{{a: {{x0: [1, 2], {_DOUBLED_LIST} r: 1}}, b: {{x0: [1, 2], {_DOUBLED_LIST} r: 2}}, r: a = b}}.r"
    ),
    "lists that double, made distinct": f"{{x0: [1, 2], {_DOUBLED_LIST} r: distinct values(x60)}}.r",
    "lists that double, followed": f"{{x0: [1, 2], {_DOUBLED_LIST} r: x60.a}}.r",
    "a text replaced by itself": "replace(replace(text, 'a', text), 'a', text)".replace("'", '"'),
    "a text joined many times": 'string join(for x in 1..100000 return text, "")',
    "a delimiter joined many times": 'string join(for x in 1..100000 return "", text)',
    "functions that call functions": f"{{f0: function(x) x + 1, {_CALLS} r: f45(1)}}.r",
    "a sort that asks for much": "sort(for x in 1..3000 return -x, function(a, b) count(list) > 0)",
    "a sort of everything": "sort(list, function(a, b) a < b)",
    "a pattern of nested repetitions": 'matches(text, "^(a+)+$b")',
    "a pattern of alternatives": 'matches(text, "^(a|aa)+$b")',
    "a pattern of many stars": f'matches(text, "{"a*" * 30}b")',
    "a pattern of optional parts": f'matches(text, "{"a?" * 500}{"a" * 500}b")',
    "a pattern of repeated repetitions": 'matches(text, "((a{1000}){1000}){1000}")',
    "a pattern of repeated places": 'matches(text, "(?:(?:(?:^){1000}){1000}){1000}")',
    "a pattern that is deep": f'matches(text, "{"(" * 900}a{")" * 900}")',
    "a pattern of many groups": f'replace(text, "{"(a?)" * 300}b", "")',
    "long numbers": f"for x in 1..100000 return {'7' * 20_000} * {'7' * 20_000}",
    "longer numbers": "for x in 1..100000 return number(text) * number(text)",
    "a long product of sums": f"for x in 1..1000000 return {'+'.join(['1'] * 500)}",
    "a pattern that is long": f'matches(text, "{"a" * 5_000}")',
    "a pattern that looks back": r'matches(text, "(a+)\\1+b")',
    "a pattern that looks ahead": 'matches(text, "(?=(a+)+b)")',
    "a pattern for each character": 'extract(text, "a|(a*b)")',
    "a split of everything": 'split(text, "")',
    "a class of classes": f'matches("a", "{"[" * 900}a{"]" * 900}")',
    "a million comparisons of a long list": "for x in list return list contains(list, -1)",
    "a replacement that refers to the match often": (
        f'{{x0: "$0", {_DOUBLED_REFERENCE} r: replace(text, "a", x12)}}'
    ),
    "a pattern for each step": 'for x in 1..10000 return matches("a", "(a{1,30}){1,30}" + string(x))',
    "a wrong pattern for each step": (
        f'for x in 1..100000 return matches("a", "{_WRONG_PATTERN}" + string(x))'
    ),
    "a pattern of many beginnings, in every script": f'matches(scripts, "{"|".join(["[b-z]"] * 300)}a")',
    "a pattern of a class of many ranges, in every script": f'matches(scripts, "[{"b-z" * 600}]x")',
    "blanks again and again": "for x in 1..1000 return is blank(spaces)",
    "long texts compared again and again": "every x in list satisfies text != other",
    "a long text looked for in many": "list contains(for x in 1..70000 return text, other)",
    "JSON of a million numbers": "from json(json)",
    "JSON again and again": "for x in 1..100 return count(from json(json))",
    "a text that is in the result often": "for x in 1..20000 return text",
    "a text that is often a name in the result": "for x in 1..20000 return context([{key: text, value: x}])",
    "a date for each step": 'for x in 1..1000000 return @"2026-01-01" + @"P1D"',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_expression_ends_at_a_limit(name: str) -> None:
    with pytest.raises(FeelError, match=LIMITS):
        evaluate(HOSTILE[name], _LONG)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_cost_of_one_step_is_bounded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With few steps there are few calls, whatever the expression: no function works without counting."""
    monkeypatch.setattr("worker.feel.expression.Run", partial(Run, steps=FEW_STEPS))
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        with pytest.raises(FeelError):
            evaluate(HOSTILE[name], _LONG)
    finally:
        sys.setprofile(None)
    assert calls < CALLS_TO_BEGIN + FEW_STEPS * CALLS_PER_STEP


def test_a_number_that_does_not_end_as_one_is_read_in_linear_time() -> None:
    # With a pattern that goes back at each digit, this takes hours.
    assert evaluate("number(text)", {"text": "1" * 1_000_000 + "x"}) is None


def test_zeros_in_front_of_the_number_of_a_group_are_read() -> None:
    assert evaluate('replace("ab", "(a)", text)', {"text": "$" + "0" * 100_000 + "1"}) == "ab"


def test_a_pattern_that_repeats_nothing_is_found() -> None:
    assert evaluate('matches("", "(?:(?:(?:){1000}){1000}){1000}")', {}) is True


@pytest.mark.parametrize(
    "name",
    [
        "texts that double",
        "a text replaced by itself",
        "a range of a billion",
        "JSON of a million numbers",
        "a text that is in the result often",
    ],
)
def test_a_hostile_expression_takes_little_memory(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FeelError):
            evaluate(HOSTILE[name], _LONG)
        assert tracemalloc.get_traced_memory()[1] < LIMIT_BYTES
    finally:
        tracemalloc.stop()


def test_variables_that_are_nested_too_deeply_are_an_error() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(FeelError, match="nested too deeply"):
        evaluate("deep", {"deep": deep})


def test_json_that_is_nested_too_deeply_is_an_error() -> None:
    with pytest.raises(FeelError, match="nested too deeply"):
        evaluate("from json(text)", {"text": "[" * 100_000 + "]" * 100_000})


@pytest.mark.parametrize(
    "expression",
    [
        "__import__",
        "a.__class__",
        '"".__class__.__mro__',
        "{}.__len__",
        'open("/etc/passwd")',
        'eval("1")',
        "env.PATH",
        "secrets.PASSWORD",
        '@"2026-01-01".__class__',
        "(1).real",
    ],
)
def test_nothing_of_python_is_in_reach(expression: str) -> None:
    assert evaluate(expression, {"a": {"b": 1}}) is None


@pytest.mark.parametrize(
    "zone", ["../../etc/passwd", "/etc/passwd", "..", "posixrules/../../x", "a\x00b", ""]
)
def test_a_zone_name_is_no_way_to_a_file(zone: str) -> None:
    with pytest.raises(FeelError):
        evaluate('date and time(@"2026-01-31T10:00:00", zone)', {"zone": zone})
    assert evaluate("date and time(text)", {"text": f"2026-01-31T10:00:00@{zone}"}) is None


def test_the_package_imports_only_itself_and_what_cannot_reach_out() -> None:
    package = Path(worker.feel.__file__).parent
    imported = {
        name
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in _imported_names(node)
    }
    outside = {name for name in imported if not name.startswith("worker.feel")}
    assert {name.partition(".")[0] for name in outside} <= sys.stdlib_module_names
    assert not outside & {
        "os",
        "io",
        "pathlib",
        "socket",
        "subprocess",
        "sys",
        "importlib",
        "ctypes",
        "pickle",
    }


def _imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
