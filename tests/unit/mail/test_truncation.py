from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.errors import ResultTooLarge
from worker.mail.message.truncation import truncate_result
from worker.models.email import Header, ReadEmail


def read_email(plain: str | None, html: str | None = None, *, subject: str = "x") -> ReadEmail:
    return ReadEmail(
        message_id="<1@example.com>",
        from_address="a@example.com",
        headers=(Header(header="Subject", value=subject),),
        subject=subject,
        size=1,
        plain_text_body=plain,
        html_body=html,
        received_date_time=None,
        sent_date=None,
        to_addresses=(),
        cc_addresses=(),
    )


def bytes_sent(result: ReadEmail) -> int:
    return len(json.dumps(result.to_variables()).encode())


FRAME = bytes_sent(read_email("", "").model_copy(update={"truncated": True}))


def test_a_result_that_just_fits_is_left_alone() -> None:
    result = read_email("a" * 1000, "é" * 1000)

    assert truncate_result(result, bytes_sent(result)) is result


def test_a_result_one_byte_over_is_cut_and_says_so() -> None:
    result = read_email("a" * 1000)

    cut = truncate_result(result, bytes_sent(result) - 1)

    assert cut.truncated
    assert cut.to_variables()["truncated"] is True
    assert bytes_sent(cut) <= bytes_sent(result) - 1


def test_a_whole_result_does_not_speak_of_truncation() -> None:
    assert "truncated" not in truncate_result(read_email("a"), 10_000).to_variables()


def test_an_absent_body_stays_absent() -> None:
    assert truncate_result(read_email("a" * 1000), FRAME + 10).html_body is None


@pytest.mark.parametrize(("character", "cost"), [("a", 1), ("\n", 2), ('"', 2), ("é", 6), ("👋", 12)])
def test_a_character_is_counted_as_it_is_sent_and_never_cut_in_two(character: str, cost: int) -> None:
    cut = truncate_result(read_email(character * 1000, ""), FRAME + 10 * cost + cost - 1)

    assert cut.plain_text_body == character * 10


def test_two_long_bodies_share_the_room() -> None:
    cut = truncate_result(read_email("a" * 1000, "b" * 1000), FRAME + 200)

    assert (cut.plain_text_body, cut.html_body) == ("a" * 100, "b" * 100)


@pytest.mark.parametrize(("plain", "html"), [(20, 1000), (1000, 20)])
def test_a_short_body_stays_whole_and_leaves_its_space_to_the_other(plain: int, html: int) -> None:
    cut = truncate_result(read_email("a" * plain, "b" * html), FRAME + 200)

    assert (cut.plain_text_body, cut.html_body) == ("a" * min(plain, 180), "b" * min(html, 180))


def test_a_result_too_large_without_its_bodies_is_refused_with_both_sizes() -> None:
    with pytest.raises(ResultTooLarge) as refusal:
        truncate_result(read_email("a", subject="s" * 5000), 4000)

    assert refusal.value.details["limit"] == 4000
    assert refusal.value.details["bytes"] > 10_000


def test_bodies_of_50_mb_are_cut_without_encoding_them() -> None:
    result = read_email("a" * 50_000_000, "é" * 50_000_000)

    tracemalloc.start()
    cut = truncate_result(result, 4_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 3_999_000 < bytes_sent(cut) <= 4_000_000
    assert peak < 64_000_000


@settings(deadline=None)
@given(
    st.none() | st.text(max_size=60),
    st.none() | st.text(max_size=60),
    st.integers(0, 700),
)
def test_a_truncated_result_is_as_long_as_the_limit_allows(
    plain: str | None, html: str | None, room: int
) -> None:
    result = read_email(plain, html)
    limit = FRAME + 4 + room

    cut = truncate_result(result, limit)

    assert bytes_sent(cut) <= limit
    for body, whole in ((cut.plain_text_body, plain), (cut.html_body, html)):
        assert (body or "") == (whole or "")[: len(body or "")]
    if cut.truncated:
        assert bytes_sent(result) > limit
        assert bytes_sent(cut) > limit - 12
    else:
        assert cut == result
