from __future__ import annotations

import json
from typing import Any

import pytest

from worker.models.bounds import CONDITIONS, CRITERIA_LEVELS
from worker.models.search import Condition, Group, SearchField, SearchOperator
from worker.models.search import parse_criteria as parse

CONDITION = {"field": "FROM", "value": "jane@example.org"}


def nested(depth: int) -> Any:
    tree: Any = CONDITION
    for _ in range(depth):
        tree = {"operator": "AND", "criteria": [tree]}
    return tree


@pytest.mark.parametrize("value", [None, {}, "", "  ", "null", "{}"])
def test_empty_criteria_mean_every_message(value: Any) -> None:
    assert parse(value) is None


@pytest.mark.parametrize(
    "value",
    [
        {"operator": "AND", "criteria": [CONDITION, CONDITION]},
        {"OPERATOR": "and", "Criteria": [{"Field": "from", "VALUE": "jane@example.org"}, CONDITION]},
        {"operator": " And ", "criteria": [CONDITION, CONDITION], "field": None},
        json.dumps({"operator": "AND", "criteria": [CONDITION, CONDITION]}),
    ],
)
def test_a_context_and_its_json_text_are_the_same_in_any_letter_case(value: Any) -> None:
    condition = Condition(SearchField.FROM, "jane@example.org")
    assert parse(value) == Group(SearchOperator.AND, (condition, condition))


def test_a_value_is_taken_as_it_is() -> None:
    assert parse({"field": "BODY", "value": ' Ünï \\ " * % '}) == Condition(
        SearchField.BODY, ' Ünï \\ " * % '
    )


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"field": "CONTENT", "value": "x"}, "field must be FROM, TO, CC, BCC, SUBJECT, BODY,"),
        ({"field": "FROM"}, "value must be a text"),
        ({"field": "FROM", "value": " "}, "value must be a text"),
        ({"field": "FROM", "value": True}, "value must be a text"),
        ({"field": "FROM", "value": "a\r\nB LOGOUT"}, "value must not contain a line break"),
        ({"field": "FROM", "value": "a\0"}, "value must not contain"),
        ({"field": "FROM", "value": "\ud83d"}, "value must not contain"),
        ({"value": "x"}, "field must be"),
        ({"operator": "XOR", "criteria": [CONDITION]}, "operator must be AND, OR or NOT"),
        (
            {"operator": "NOT", "criteria": [CONDITION, CONDITION]},
            "criteria must be one criterion for NOT, found 2",
        ),
        (
            {"field": "SINCE", "value": "27.11.2026"},
            "value must be a date such as 2026-11-27, found '27.11.2026'",
        ),
        ({"field": "SINCE", "value": "2026-13-01"}, "value must be a date"),
        ({"field": "SINCE", "value": "2026-11-27Tomorrow"}, "value must be a date"),
        # An expression that gives nothing must not find other emails than those that are meant.
        ({"field": "HEADER", "name": "In-Reply-To", "value": None}, "value must be a text that is not empty"),
        ({"field": "SEEN", "value": None}, "value must be true or false, found null"),
        ({"field": "SEEN", "value": "yes"}, "value must be true or false, found 'yes'"),
        ({"field": "LARGER", "value": -1}, "value must be a whole number of octets, found -1"),
        ({"field": "LARGER", "value": 1.5}, "value must be a whole number"),
        ({"field": "HEADER", "value": "x"}, "name must be the name of a header field"),
        ({"field": "HEADER", "name": "a b", "value": "x"}, "name must be the name of a header field"),
        ({"field": "FROM", "name": "X", "value": "x"}, "name is not expected"),
        ({"operator": "AND"}, "criteria must be a list"),
        ({"operator": "AND", "criteria": []}, "criteria must be a list"),
        ({"operator": "AND", "criteria": CONDITION}, "criteria must be a list"),
        ({"operator": "AND", "criteria": ["x"]}, "criteria[0] must be a context"),
        ({"criteria": [CONDITION]}, "operator must be"),
        ({"operator": "AND", "criteria": [CONDITION], "field": "FROM"}, "field is not expected"),
        ({"field": "FROM", "FIELD": "FROM", "value": "x"}, "field is given twice"),
        (
            {"operator": "AND", "criteria": [CONDITION, {"operator": "OR", "criteria": [{"field": "X"}]}]},
            "criteria[1].criteria[0].field must be",
        ),
        ([CONDITION], "must be a context"),
        (True, "must be a context"),
        ('{"operator": ', "JSON cannot be read (line 1, column 14)"),
        ("[" * 100_000, "JSON cannot be read"),
        (
            '{"field": "FROM", "value": "a", "field": "SUBJECT"}',
            "must give each name of a context once, found 'field' twice",
        ),
        ('{"operator": "NOT", "criteria": {"field": "SEEN", "field": "SEEN"}}', "found 'field' twice"),
    ],
)
def test_a_fault_is_named_with_the_path_to_it(value: Any, fault: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is what counts
        parse(value)
    assert fault in str(caught.value)


def test_depth_and_size_are_bounded() -> None:
    assert parse(nested(CRITERIA_LEVELS - 1)) is not None
    with pytest.raises(ValueError, match="nested more than"):
        parse(nested(CRITERIA_LEVELS))
    with pytest.raises(ValueError, match=r"criteria\[1000\] is one condition too many"):
        parse({"operator": "OR", "criteria": [CONDITION] * (CONDITIONS + 1)})
