from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.mail.message.sort_keys import SortKeys, in_seconds, sort_listed
from worker.models.email import ListedEmail, SortField, SortOrder

MONDAY = datetime(2024, 8, 19, 6, 54, 28, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


def listed(
    name: str, size: int, *, sent: datetime | None = None, received: datetime | None = None
) -> ListedEmail:
    return ListedEmail(
        message_id=name,
        from_address=None,
        subject=None,
        size=size,
        received_date_time=received,
        sent_date=sent,
    )


def test_ascending_is_oldest_or_smallest_first() -> None:
    assert SortKeys([(1, 30), (2, 10), (3, 20)]).first(SortOrder.ASC) == [2, 3, 1]


def test_descending_is_latest_or_largest_first() -> None:
    assert SortKeys([(1, 30), (2, 10), (3, 20)]).first(SortOrder.DESC) == [1, 3, 2]


@pytest.mark.parametrize("order", list(SortOrder))
def test_equals_come_by_their_number_in_both_orders(order: SortOrder) -> None:
    assert SortKeys([(3, 5), (1, 5), (2, 5)]).first(order) == [1, 2, 3]


@pytest.mark.parametrize("order", list(SortOrder))
def test_emails_without_the_key_come_last_in_both_orders_by_their_number(order: SortOrder) -> None:
    assert SortKeys([(9, None), (4, None), (7, in_seconds(MONDAY))]).first(order) == [7, 4, 9]


def test_a_size_that_no_email_has_is_the_largest() -> None:
    assert SortKeys([(1, 10**30), (2, 5)]).first(SortOrder.ASC) == [2, 1]


def test_the_list_is_cut_after_sorting() -> None:
    assert SortKeys([(1, 30), (2, 10), (3, 20)]).first(SortOrder.ASC, 2) == [2, 3]


def test_moments_are_compared_and_not_their_clocks() -> None:
    an_hour_earlier = (MONDAY - timedelta(hours=1)).astimezone(timezone(timedelta(hours=9)))

    keys = SortKeys([(1, in_seconds(MONDAY)), (2, in_seconds(an_hour_earlier))])
    assert keys.first(SortOrder.ASC) == [2, 1]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (SortField.SIZE, ["b", "c", "a"]),
        (SortField.SENT_DATE, ["a", "b", "c"]),
        (SortField.RECEIVED_DATE, ["c", "b", "a"]),
    ],
)
def test_each_field_sorts_by_its_own_key(field: SortField, expected: list[str]) -> None:
    mails = {
        1: listed("a", 3, sent=MONDAY, received=None),
        2: listed("b", 1, sent=TUESDAY, received=TUESDAY),
        3: listed("c", 2, sent=None, received=MONDAY),
    }

    assert [mail.message_id for mail in sort_listed(mails, field, SortOrder.ASC)] == expected


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 2**62), st.none() | st.integers(0, 5)), st.sampled_from(SortOrder))
def test_the_order_of_arrival_does_not_matter(keys: dict[int, int | None], order: SortOrder) -> None:
    forwards = SortKeys(keys.items()).first(order)

    assert forwards == SortKeys(reversed(keys.items())).first(order)
    assert sorted(forwards) == sorted(keys)
