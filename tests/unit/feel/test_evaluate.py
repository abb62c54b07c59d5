"""The public face: what goes in, what comes out, and what an error says."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from worker.feel import Expression, FeelError, Sources, evaluate, parse

NOON = datetime(2026, 3, 4, 12, 0, 0, 123000, tzinfo=UTC)


def test_a_leading_equals_sign_changes_nothing() -> None:
    assert evaluate("=1 + 1", {}) == evaluate("1 + 1", {}) == 2


def test_a_read_expression_can_be_evaluated_many_times() -> None:
    expression: Expression = parse("a + 1")
    assert [expression.evaluate({"a": number}) for number in (1, 2)] == [2, 3]


def test_variables_are_not_changed() -> None:
    variables = {"a": {"b": [1, {"c": 2}]}}
    before = json.dumps(variables)
    evaluate('context put(a, ["b", "c"], append(a.b, 3))', variables)
    assert json.dumps(variables) == before


def test_a_variable_that_is_not_used_is_not_looked_at() -> None:
    assert evaluate("a", {"a": 1, "b": object()}) == 1


def test_a_variable_that_is_no_json_is_an_error() -> None:
    with pytest.raises(FeelError, match="contains a set"):
        evaluate("a", {"a": {1}})


@pytest.mark.parametrize(
    ("expression", "line", "column", "words"),
    [
        ("1 +", 1, 4, "Expected a value, but the expression ends"),
        ("=1 +", 1, 5, "Expected a value"),
        ("{a: 1,\n b}", 2, 3, "Expected ':', but found '}'"),
        ("if a then b", 1, 12, "Expected 'else'"),
        ("1 + 2 3", 1, 7, "Expected the end, but found '3'"),
        ('"abc', 1, 1, "text is not closed"),
        ("\n\n  `abc", 3, 3, "quoted name is not closed"),
        ("/* x", 1, 1, "comment is not closed"),
        ("for x in [1] satisfies x", 1, 14, "Expected 'return'"),
    ],
)
def test_a_syntax_error_says_where_and_what_was_expected(
    expression: str, line: int, column: int, words: str
) -> None:
    with pytest.raises(FeelError, match=words) as caught:
        parse(expression)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).endswith(f"(line {line}, column {column})")


@pytest.mark.parametrize(
    ("expression", "column", "words"),
    [
        ("1 + assert(1, false)", 5, "condition of assert"),
        ('{a: [1, assert(null, false, "told so")]}', 9, "told so"),
        ('substring("abc", 9)', 1, "cannot start at 9 in a text of 3 characters"),
        ("1 + ?", 5, "only known in a test"),
        ("a.f(1)", 1, "no function 'a.f'"),
        ("[modulo(1, 0)]", 2, "divide by zero"),
    ],
)
def test_an_error_of_evaluation_says_where(expression: str, column: int, words: str) -> None:
    with pytest.raises(FeelError, match=words) as caught:
        evaluate(expression, {})
    assert (caught.value.line, caught.value.column) == (1, column)


def test_a_function_is_no_result() -> None:
    with pytest.raises(FeelError, match="function"):
        evaluate("{a: [function(x) x]}", {})


def test_a_function_that_is_an_entry_is_left_out_of_the_result() -> None:
    assert evaluate("{f: function(x) x, a: f(1)}", {}) == {"a": 1}


@pytest.mark.parametrize("value", [1, 0, -5, 2**62, 1.5, True, None, "text", [], {}, [{"a": [None]}]])
def test_a_variable_comes_out_as_it_went_in(value: Any) -> None:
    assert json.dumps(evaluate("a", {"a": value})) == json.dumps(value)


def test_whole_numbers_are_int_and_others_float() -> None:
    numbers = evaluate("[1.0, 4 / 2, 1.5, 9223372036854775807, 9223372036854775808]", {})
    assert [type(number) for number in numbers] == [int, int, float, int, float]


def test_a_number_that_json_cannot_express_is_an_error() -> None:
    with pytest.raises(FeelError, match="too large for JSON"):
        evaluate("10 ** 400", {})


def test_a_decimal_variable_keeps_its_digits() -> None:
    assert evaluate("string(a)", {"a": Decimal("1.10")}) == "1.10"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (r'matches(text, "Invoice \\d+")', True),
        (r'matches(text, "(?i).*invoice.*")', True),
        (r'matches(text, ".*Invoice.*")', True),
        (r'matches(text, "\\bReceipt\\b")', False),
        (r'extract(text, "[0-9]{4}")', ["4711"]),
        (r'count(split(text, "\n"))', 12_001),
    ],
)
def test_a_text_of_a_megabyte_can_be_searched(expression: str, value: Any) -> None:
    line = "Dear customer, thank you for your order of 3 items (EUR 12.50). <b>Best</b> regards\n"
    assert evaluate(expression, {"text": line * 12_000 + "Invoice 4711"}) == value


@pytest.mark.parametrize(
    "pattern",
    [r"\X", r"\G.", r"a\b{g}", "(?U)a", "(?d)a", r"\N{NO SUCH NAME}", r"\p{IsKlingon}", "(?=a)", "a*+"],
)
def test_a_pattern_that_java_reads_and_we_do_not_is_an_error_and_not_null(pattern: str) -> None:
    with pytest.raises(FeelError, match=r"not supported|not known"):
        evaluate("matches(text, pattern)", {"text": "a", "pattern": pattern})


def test_now_and_today_take_the_clock_that_is_given() -> None:
    sources = Sources(now=lambda: NOON)
    assert evaluate("[now(), today()]", {}, sources=sources) == ["2026-03-04T12:00:00.123Z", "2026-03-04"]


def test_now_has_the_offset_of_the_clock() -> None:
    sources = Sources(now=lambda: NOON.astimezone(timezone(timedelta(hours=-5))))
    assert evaluate("now()", {}, sources=sources) == "2026-03-04T07:00:00.123-05:00"


def test_without_a_clock_now_is_now() -> None:
    before = datetime.now(UTC)
    value = datetime.fromisoformat(evaluate("now()", {}))
    assert before - timedelta(seconds=1) <= value <= datetime.now(UTC) + timedelta(seconds=1)


def test_uuid_and_random_number_take_the_sources_that_are_given() -> None:
    sources = Sources(uuid=lambda: "u", random=random.Random(1).random)
    assert evaluate("[uuid(), random number()]", {}, sources=sources) == ["u", random.Random(1).random()]


def test_two_uuids_differ_and_are_of_version_7() -> None:
    first, second = evaluate("[uuid(), uuid()]", {})
    assert first != second
    assert first[14] == "7"
    assert first[19] in "89ab"
