"""What holds for any text and any value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.feel import FeelError, evaluate
from worker.feel.functions import BUILTINS

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-(10**15), 10**15)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
WORDS = st.sampled_from(
    [
        *("a", "b", "null", "true", "1", "2.5", ".5", '"x"', '""', '@"P1D"', '@"2026-01-31"', "?", "@", "`"),
        *("(", ")", "[", "]", "{", "}", ",", ":", ".", "..", "+", "-", "*", "/", "**"),
        *("=", "!=", "<", "<=", ">", ">=", "and", "or", "not", "in", "between", "instance", "of"),
        *("if", "then", "else", "for", "some", "every", "return", "satisfies", "function", "item", "partial"),
        *("not(", "sum(", "count(", "string(", "substring(", "matches(", "date(", "number("),
    ]
)
PATTERN_PARTS = st.recursive(
    st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", "\\w", "\\d", "^", "$", "\\b", "\\B", ""]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        inner.map(lambda part: f"({part})"),
        st.tuples(
            inner.map(lambda part: f"(?:a{part})"),
            st.sampled_from(["*", "+", "?", "{1,2}", "*?", "+?", "??"]),
        ).map("".join),
    ),
    max_leaves=6,
)


def _is_value_or_error(expression: str, variables: dict[str, Any]) -> None:
    try:
        value = evaluate(expression, variables)
    except FeelError as error:
        value = [error.line, error.column]
        assert min(value) >= 1
    json.dumps(value, allow_nan=False)


@given(st.text(), st.dictionaries(st.sampled_from("ab"), JSON))
def test_any_text_gives_a_value_or_an_error(expression: str, variables: dict[str, Any]) -> None:
    _is_value_or_error(expression, variables)


@given(st.lists(WORDS, max_size=25).map(" ".join), st.dictionaries(st.sampled_from("ab"), JSON))
@settings(max_examples=300)
def test_any_words_of_the_language_give_a_value_or_an_error(
    expression: str, variables: dict[str, Any]
) -> None:
    _is_value_or_error(expression, variables)


@given(st.sampled_from(sorted(BUILTINS)), st.lists(JSON, max_size=4))
@settings(max_examples=300)
def test_any_builtin_takes_any_arguments(name: str, arguments: list[Any]) -> None:
    variables = {f"x{number}": argument for number, argument in enumerate(arguments)}
    _is_value_or_error(f"{name}({', '.join(variables)})", variables)


@given(
    st.sampled_from(sorted(BUILTINS)),
    st.lists(
        st.sampled_from(
            [
                *('@"2026-01-31"', '@"10:00:00Z"', '@"10:00"', '@"P1M"', '@"PT1H"', '"P1D"'),
                *('@"2026-01-31T10:00:00@Europe/Paris"', '@"2026-01-31T10:00:00"'),
                *("[1..5]", "function(a, b) a < b", "10 ** 99", "-1"),
            ]
        ),
        max_size=4,
    ),
)
@settings(max_examples=300)
def test_any_builtin_takes_any_kind_of_value(name: str, arguments: list[str]) -> None:
    _is_value_or_error(f"string({name}({', '.join(arguments)}))", {})


@given(st.sampled_from(["+", "-", "*", "/", "**", "=", "!=", "<", "<=", ">", ">="]), JSON, JSON)
def test_any_operator_takes_any_operands(operator: str, left: Any, right: Any) -> None:
    _is_value_or_error(f"left {operator} right", {"left": left, "right": right})


@given(JSON)
def test_a_json_value_survives_unchanged(value: Any) -> None:
    assert evaluate("a", {"a": value}) == value


@given(JSON)
def test_to_json_and_from_json_are_inverse(value: Any) -> None:
    assert evaluate("from json(to json(a))", {"a": value}) == value


@given(st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15))
def test_arithmetic_on_whole_numbers_is_exact(left: int, right: int) -> None:
    value = evaluate("[a + b, a - b, a * b = c]", {"a": left, "b": right, "c": Decimal(left * right)})
    assert value == [left + right, left - right, True]


@given(st.lists(st.integers(-5, 5), max_size=20))
def test_sort_sorts_and_distinct_values_keeps_the_first(numbers: list[int]) -> None:
    value = evaluate("[sort(a, function(x, y) x < y), distinct values(a)]", {"a": numbers})
    assert value == [sorted(numbers), list(dict.fromkeys(numbers))]


@given(PATTERN_PARTS, st.text(alphabet="abc1 ", min_size=1, max_size=8))
@settings(max_examples=300)
def test_patterns_find_what_pythons_find(pattern: str, text: str) -> None:
    expected = list(_find_as_java(re.compile(pattern, re.ASCII), text))
    assert evaluate("extract(text, pattern)", {"text": text, "pattern": pattern}) == expected


def _find_as_java(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    """Go one character on after an empty match; Python's `finditer` tries once more at the same place."""
    start = 0
    while start <= len(text) and (found := pattern.search(text, start)):
        yield found[0]
        start = found.end() + (not found[0])
