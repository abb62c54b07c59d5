from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.mail.message.sort_keys import SortKeys
from worker.models.email import SortOrder


def test_messages_without_a_key_come_last_and_equals_by_uid_in_both_directions() -> None:
    keys = SortKeys([(1, 5), (2, None), (3, 5), (4, 1)])
    assert keys.first(SortOrder.ASC, 10) == [4, 1, 3, 2]
    assert keys.first(SortOrder.DESC, 10) == [1, 3, 4, 2]
    assert keys.first(SortOrder.DESC, 1) == [1]


@given(st.lists(st.tuples(st.integers(1, 2**32 - 1), st.integers(0, 2**62))))
def test_keys_are_by_uid_whatever_the_order_in_which_they_come(pairs: list[tuple[int, int]]) -> None:
    assert list(SortKeys(pairs).items()) == sorted(dict(pairs).items())
