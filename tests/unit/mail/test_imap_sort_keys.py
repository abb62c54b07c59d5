from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.imap.sort_keys import Place, SortKeyMemory
from worker.mail.message.sort_keys import SortKeys
from worker.models.email import SortField, SortOrder

ANN = Account(MailProtocol.IMAP, "mail.example.com", 993, Encryption.IMPLICIT, "ann", "s3cret")


def place(name: str = "INBOX", uid_validity: int = 1) -> Place:
    return ANN, name, uid_validity, SortField.SIZE


def test_messages_without_a_key_come_last_and_equals_by_uid_in_both_directions() -> None:
    keys = SortKeys([(1, 5), (2, None), (3, 5), (4, 1)])
    assert keys.first(SortOrder.ASC, 10) == [4, 1, 3, 2]
    assert keys.first(SortOrder.DESC, 10) == [1, 3, 4, 2]
    assert keys.first(SortOrder.DESC, 1) == [1]


@given(st.lists(st.tuples(st.integers(1, 2**32 - 1), st.integers(0, 2**62))))
def test_keys_are_by_uid_whatever_the_order_in_which_they_come(pairs: list[tuple[int, int]]) -> None:
    assert list(SortKeys(pairs).items()) == sorted(dict(pairs).items())


def test_the_folders_listed_longest_ago_are_forgotten_first_and_a_message_takes_twelve_bytes() -> None:
    memory = SortKeyMemory(max_bytes=3_200)
    for name in ("a", "b", "a", "c", "d"):
        memory.keep(place(name), SortKeys([(1, 1), (2, 2)]))
    assert [len(memory.get(place(name)).uids) for name in "abcd"] == [2, 0, 2, 2]
    assert memory.bytes == 3 * (1000 + 24)


def test_keys_are_those_of_one_validity() -> None:
    memory = SortKeyMemory(max_bytes=10_000)
    memory.keep(place(), SortKeys([(1, 1)]))
    assert not memory.get(place(uid_validity=2)).uids


def test_nothing_is_remembered_of_a_folder_whose_numbers_do_not_last() -> None:
    memory = SortKeyMemory(max_bytes=10_000)
    memory.keep(place(uid_validity=0), SortKeys([(1, 1)]))
    assert not memory.get(place(uid_validity=0)).uids
