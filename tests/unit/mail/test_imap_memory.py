from __future__ import annotations

from array import array

from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.imap.memory import FolderKey, ImapMemory, SortKeys
from worker.models.mail import SortField

ACCOUNT = Account(MailProtocol.IMAP, "mail.example.org", 993, Encryption.IMPLICIT, "ann", "s3cret")
SIZE = SortField.SIZE


def folder(name: str = "INBOX", uid_validity: int = 1) -> FolderKey:
    return FolderKey(ACCOUNT, name, uid_validity)


def keys(*uids: int) -> SortKeys:
    return SortKeys(array("I", uids), array("q", (uid * 10 for uid in uids)))


def test_keys_are_remembered_by_folder_validity_and_field() -> None:
    memory = ImapMemory(max_sort_key_bytes=10_000, max_known_ids=10)
    memory.keep_sort_keys(folder(), SIZE, keys(1, 2))
    assert list(memory.sort_keys(folder(), SIZE).entries()) == [(1, 10), (2, 20)]
    assert len(memory.sort_keys(folder(uid_validity=2), SIZE)) == 0
    assert len(memory.sort_keys(folder("Other"), SIZE)) == 0
    assert len(memory.sort_keys(folder(), SortField.SENT_DATE)) == 0


def test_the_folder_used_longest_ago_is_forgotten_first() -> None:
    memory = ImapMemory(max_sort_key_bytes=3_200, max_known_ids=10)
    for name in ("a", "b", "c"):
        memory.keep_sort_keys(folder(name), SIZE, keys(1, 2))
    memory.sort_keys(folder("a"), SIZE)
    memory.keep_sort_keys(folder("d"), SIZE, keys(1))
    known = [name for name in "abcd" if len(memory.sort_keys(folder(name), SIZE))]
    assert known == ["a", "c", "d"]
    assert memory.sort_key_bytes <= 3_200


def test_a_folder_that_is_too_large_alone_is_not_remembered() -> None:
    memory = ImapMemory(max_sort_key_bytes=2_000, max_known_ids=10)
    memory.keep_sort_keys(folder(), SIZE, keys(*range(1, 1_000)))
    assert len(memory.sort_keys(folder(), SIZE)) == 0
    assert memory.sort_key_bytes == 0


def test_new_keys_are_added_in_order_and_old_ones_left_as_they_are() -> None:
    before = keys(1, 2)
    after = before.extended(keys(9, 5))
    assert list(after.uids) == [1, 2, 5, 9]
    assert after.last_uid == 9
    assert list(before.uids) == [1, 2]
    assert list(after.only({2, 9}).entries()) == [(2, 20), (9, 90)]
    assert SortKeys().last_uid == 0


def test_a_message_without_the_key_has_none() -> None:
    assert list(SortKeys(array("I", [4]), array("q", [SortKeys.MISSING])).entries()) == [(4, None)]


def test_ids_and_broken_errands_are_bounded() -> None:
    memory = ImapMemory(max_sort_key_bytes=1, max_known_ids=2)
    memory.keep_message_ids(folder(), [(1, "a"), (2, None), (3, "c"), (4, "x" * 999)])
    assert memory.message_ids(folder(), [1, 2, 3, 4]) == {2: None, 3: "c"}
    for reference in ("a", "b", "c"):
        memory.note_broken_off(reference)
    assert [memory.has_broken_off(reference) for reference in ("a", "b", "c")] == [False, True, True]
