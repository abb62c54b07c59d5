from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.mail.local_search import Facts, body_values, decide, find_values, fold
from worker.models.search import Criterion, parse_criteria


def criteria(value: Any) -> Criterion:
    parsed = parse_criteria(value)
    assert parsed is not None
    return parsed


def condition(field: str, value: str) -> dict[str, str]:
    return {"field": field, "value": value}


def group(operator: str, *members: dict[str, Any]) -> dict[str, Any]:
    return {"operator": operator, "criteria": list(members)}


@pytest.mark.parametrize(
    ("sought", "text"),
    [
        ("hello", "Say HELLO twice"),
        ("GRÜßE", "Viele Grüße"),
        ("cafe\u0301", "Café"),
        ("CAFÉ", "cafe\u0301"),
        ("Straße", "Hauptstraße 1"),
        ("σας", "ΣΑΣ"),
        ("1", "Punkt ①"),
        ('* % \\ "', 'a * % \\ " b'),
        ("two words", "two\twords"),
    ],
)
def test_a_subject_contains_a_text_in_any_case_and_with_any_accents(sought: str, text: str) -> None:
    assert decide(criteria(condition("SUBJECT", sought)), Facts(from_text="", subject=text)) is True


@pytest.mark.parametrize(("sought", "text"), [("strasse", "Straße"), ("ba", "ab"), ("a  b", "a b")])
def test_a_subject_does_not_contain_what_only_looks_alike(sought: str, text: str) -> None:
    assert decide(criteria(condition("SUBJECT", sought)), Facts(from_text="", subject=text)) is False


def test_from_is_searched_with_its_display_name_and_address() -> None:
    for sought in ("jane", "DOE", "doe <jane", "@example.org"):
        assert decide(
            criteria(condition("FROM", sought)), Facts(from_text="Jane Doe <jane@example.org>", subject=None)
        )


def test_a_mail_without_a_subject_has_nothing_in_it() -> None:
    assert decide(criteria(condition("SUBJECT", "x")), Facts(from_text="", subject=None)) is False


@pytest.mark.parametrize(
    ("operator", "from_sought", "verdict"),
    [("AND", "ann", None), ("AND", "bob", False), ("OR", "ann", True), ("OR", "bob", None)],
)
def test_a_body_is_left_open_only_where_it_matters(
    operator: str, from_sought: str, verdict: bool | None
) -> None:
    tree = criteria(group(operator, condition("BODY", "x"), condition("FROM", from_sought)))
    assert decide(tree, Facts(from_text="ann@example.org", subject=None)) is verdict


def test_a_hit_in_the_body_decides() -> None:
    tree = criteria(group("AND", condition("BODY", "one"), condition("BODY", "two")))
    assert body_values(tree) == {"one", "two"}
    assert decide(tree, Facts(from_text="", subject=None, found_in_body={"one", "two"})) is True
    assert decide(tree, Facts(from_text="", subject=None, found_in_body={"one"})) is False


def test_values_are_found_in_any_of_several_texts_and_no_more_texts_are_read_than_needed() -> None:
    def texts() -> Any:
        yield "the first one"
        yield "and TWO"
        raise AssertionError("everything was found already")

    assert find_values({"two", "first"}, texts()) == {"two", "first"}
    assert find_values({"three"}, iter(["one", "two"])) == frozenset()
    assert find_values(set(), iter([])) == frozenset()


@pytest.mark.parametrize("before", [262_140, 262_142, 262_144, 262_146])
def test_a_value_is_found_across_the_pieces_of_a_long_text(before: int) -> None:
    assert find_values({"é needle"}, ["x" * before + "e\u0301 NEEDLE" + "y" * 300_000]) == {"é needle"}


@given(st.text())
@example("\u1f80")
def test_folding_forgets_case_and_composition(text: str) -> None:
    assert fold(unicodedata.normalize("NFC", text)) == fold(unicodedata.normalize("NFD", text))
    assert len(fold(text)) >= len(text)


@given(
    st.recursive(
        st.tuples(st.sampled_from(["FROM", "BODY"]), st.sampled_from("abc")).map(
            lambda pair: condition(*pair)
        ),
        lambda members: st.builds(group, st.sampled_from(["AND", "OR"]), members, members),
        max_leaves=6,
    )
)
def test_a_verdict_without_the_body_is_right_for_every_body(tree: dict[str, Any]) -> None:
    parsed = criteria(tree)
    for from_text in ("", "a", "bc"):
        early = decide(parsed, Facts(from_text=from_text, subject=None))
        bodies = [
            {value for value, is_in in zip("abc", choice, strict=True) if is_in}
            for choice in product([True, False], repeat=3)
        ]
        late = {
            decide(parsed, Facts(from_text=from_text, subject=None, found_in_body=body)) for body in bodies
        }
        assert None not in late
        assert early is None or late == {early}


def facts(**known: Any) -> Facts:
    return Facts(
        from_text="Jane <jane@example.org>",
        subject="An order",
        size=1000,
        received_date=datetime(2026, 11, 27, 10, tzinfo=UTC),
        sent_day=date(2026, 11, 26),
        **known,
    )


@pytest.mark.parametrize(
    ("field", "value", "verdict"),
    [
        ("SINCE", "2026-11-27", True),
        ("SINCE", "2026-11-28", False),
        ("BEFORE", "2026-11-27", False),
        ("BEFORE", "2026-11-28T01:00:00Z", True),
        ("ON", "2026-11-27", True),
        ("SENTSINCE", "2026-11-27", False),
        ("sent_on", "2026-11-26", True),
        ("SENTBEFORE", "2026-11-27", True),
        ("LARGER", 999, True),
        ("LARGER", "1000", False),
        ("SMALLER", 1000, False),
        ("SMALLER", 1001, True),
    ],
)
def test_days_and_octets_are_compared(field: str, value: Any, verdict: bool) -> None:
    tree = {"field": field, "value": value}
    assert decide(criteria(tree), facts()) is verdict
    assert decide(criteria(group("NOT", tree)), facts()) is not verdict


def test_an_email_without_a_date_meets_no_condition_on_it() -> None:
    for field in ("SINCE", "BEFORE", "ON", "SENTSINCE", "SENTBEFORE", "SENTON"):
        tree = criteria(condition(field, "2026-11-27"))
        assert decide(tree, Facts(from_text="", subject=None)) is False


def test_other_header_fields_are_unknown_until_the_header_is_read() -> None:
    fields = [("to", "Bob <bob@example.org>"), ("in-reply-to", "<1@x>"), ("x-empty", "")]
    for tree, verdict in (
        (condition("TO", "BOB"), True),
        (condition("CC", "bob"), False),
        ({"field": "HEADER", "name": "In-Reply-To", "value": "1@x"}, True),
        ({"field": "HEADER", "name": "X-Empty"}, True),
        ({"field": "HEADER", "name": "X-Other"}, False),
    ):
        assert decide(criteria(tree), facts()) is None
        assert decide(criteria(tree), facts(fields=fields)) is verdict


def test_attachments_are_unknown_until_the_email_is_read() -> None:
    tree = criteria(group("OR", {"field": "ATTACHMENT", "value": False}, condition("SUBJECT", "bill")))
    assert decide(tree, facts()) is None
    assert decide(tree, facts(has_attachments=True)) is False
    assert decide(tree, facts(has_attachments=False)) is True
