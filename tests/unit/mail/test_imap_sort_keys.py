from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.mail.imap.memory import Memory
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


def test_the_folders_listed_longest_ago_are_forgotten_first_and_a_message_takes_twelve_bytes() -> None:
    memory = Memory[str, SortKeys](3_200, lambda keys: keys.bytes)
    for name in ("a", "b", "a", "c", "d"):
        memory.keep(name, SortKeys([(1, 1), (2, 2)]))
    assert [len(memory.get(name, SortKeys()).uids) for name in "abcd"] == [2, 0, 2, 2]
    assert memory.size == 3 * (1000 + 24)


def test_what_is_kept_first_stays_and_is_not_forgotten_while_it_is_used() -> None:
    memory = Memory[str, int](2)
    assert [memory.keep_first(name, number) for number, name in enumerate("abaca")] == [0, 1, 0, 3, 0]
    assert [memory.get(name, -1) for name in "abc"] == [0, -1, 3]
