from __future__ import annotations

from array import array

from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.imap.memory import FolderKey, ImapMemory, KnownMessage, SortKeys
from worker.models.email import SortField, SortOrder

ACCOUNT = Account(MailProtocol.IMAP, "mail.example.org", 993, Encryption.IMPLICIT, "ann", "s3cret")
SIZE = SortField.SIZE


def folder(name: str = "INBOX", uid_validity: int = 1) -> FolderKey:
    return FolderKey(ACCOUNT, name, uid_validity)


def keys(*uids: int) -> SortKeys:
    return SortKeys(array("I", uids), array("q", (uid * 10 for uid in uids)))


def test_keys_are_remembered_by_folder_validity_and_field() -> None:
    memory = ImapMemory(max_bytes=10_000, max_known_ids=10)
    memory.keep_sort_keys(folder(), SIZE, keys(1, 2))
    assert memory.sort_keys(folder(), SIZE) == keys(1, 2)
    assert len(memory.sort_keys(folder(uid_validity=2), SIZE)) == 0
    assert len(memory.sort_keys(folder("Other"), SIZE)) == 0
    assert len(memory.sort_keys(folder(), SortField.SENT_DATE)) == 0


def test_the_folder_used_longest_ago_is_forgotten_first() -> None:
    memory = ImapMemory(max_bytes=3_200, max_known_ids=10)
    for name in ("a", "b", "c"):
        memory.keep_sort_keys(folder(name), SIZE, keys(1, 2))
    memory.sort_keys(folder("a"), SIZE)
    memory.keep_sort_keys(folder("d"), SIZE, keys(1))
    known = [name for name in "abcd" if len(memory.sort_keys(folder(name), SIZE))]
    assert known == ["a", "c", "d"]
    assert memory.bytes <= 3_200


def test_a_folder_that_is_too_large_alone_is_not_remembered() -> None:
    memory = ImapMemory(max_bytes=2_000, max_known_ids=10)
    memory.keep_sort_keys(folder(), SIZE, keys(*range(1, 1_000)))
    assert len(memory.sort_keys(folder(), SIZE)) == 0
    assert memory.bytes == 0


def test_new_keys_are_added_in_order_and_old_ones_left_as_they_are() -> None:
    before = keys(1, 2)
    after = before.extended(keys(9, 5))
    assert list(after.uids) == [1, 2, 5, 9]
    assert after.last_uid == 9
    assert list(before.uids) == [1, 2]
    assert after.only({2, 9}) == keys(2, 9)
    assert SortKeys().last_uid == 0


def test_a_message_without_the_key_comes_last_and_equals_by_uid_in_both_directions() -> None:
    some = SortKeys(array("I", [1, 2, 3, 4, 5]), array("q", [7, SortKeys.MISSING, 9, 7, 9]))
    assert some.first(SortOrder.ASC, 5) == [1, 4, 3, 5, 2]
    assert some.first(SortOrder.DESC, 5) == [3, 5, 1, 4, 2]
    assert some.first(SortOrder.DESC, 2) == [3, 5]


def test_what_came_first_is_not_what_comes_first_when_more_has_come() -> None:
    some = keys(1, 2)
    assert some.first(SortOrder.DESC, 1) == [2]
    assert some.first(SortOrder.DESC, 1) == [2]
    assert some.first(SortOrder.ASC, 1) == [1]
    assert some.extended(keys(3)).first(SortOrder.DESC, 1) == [3]
    assert some.only({1}).first(SortOrder.DESC, 1) == [1]


def message(subject: str = "Hello") -> KnownMessage:
    return KnownMessage("<1@example.org>", subject, "ann@example.org", None, None, 100, is_whole=True)


def test_messages_are_remembered_by_folder_and_validity() -> None:
    memory = ImapMemory(max_bytes=10_000, max_known_ids=10)
    memory.keep_messages(folder(), {1: message("one"), 2: message("two")})
    assert memory.messages(folder(), [2, 3]) == {2: message("two")}
    assert memory.message_ids(folder(), [1, 3]) == {1: "<1@example.org>"}
    assert not memory.knows_messages(folder(uid_validity=2))
    assert memory.messages(folder("Other"), [1]) == {}


def test_messages_are_forgotten_by_folder_before_the_sort_keys() -> None:
    memory = ImapMemory(max_bytes=6_000, max_known_ids=10)
    memory.keep_sort_keys(folder("a"), SIZE, keys(1, 2))
    for name in ("a", "b"):
        memory.keep_messages(folder(name), {uid: message() for uid in range(1, 5)})
    memory.messages(folder("a"), [1])
    memory.keep_messages(folder("c"), {uid: message() for uid in range(1, 5)})
    assert [memory.knows_messages(folder(name)) for name in "abc"] == [True, False, True]
    assert memory.bytes <= 6_000
    memory.keep_messages(folder("d"), {1: message("x" * 10_000)})
    assert not any(memory.knows_messages(folder(name)) for name in "abcd")
    assert memory.sort_keys(folder("a"), SIZE) == keys(1, 2)
    assert memory.bytes == keys(1, 2).bytes


def test_a_message_that_is_kept_twice_is_counted_once() -> None:
    memory = ImapMemory(max_bytes=10_000, max_known_ids=10)
    memory.keep_messages(folder(), {1: message()})
    before = memory.bytes
    memory.keep_messages(folder(), {1: message()})
    assert memory.bytes == before


def test_nothing_is_remembered_of_a_folder_whose_numbers_do_not_last() -> None:
    memory = ImapMemory(max_bytes=10_000, max_known_ids=10)
    memory.keep_messages(folder(uid_validity=0), {1: message()})
    memory.keep_sort_keys(folder(uid_validity=0), SIZE, keys(1))
    memory.keep_message_ids(folder(uid_validity=0), [(1, "a")])
    assert not memory.knows_messages(folder(uid_validity=0))
    assert memory.sort_keys(folder(uid_validity=0), SIZE) == SortKeys()
    assert memory.message_ids(folder(uid_validity=0), [1]) == {}


def test_ids_and_broken_errands_are_bounded() -> None:
    memory = ImapMemory(max_bytes=1, max_known_ids=2)
    memory.keep_message_ids(folder(), [(1, "a"), (2, None), (3, "c"), (4, "x" * 999)])
    assert memory.message_ids(folder(), [1, 2, 3, 4]) == {2: None, 3: "c"}
    for reference in ("a", "b", "c"):
        memory.note_broken_off(reference)
    assert [memory.has_broken_off(reference) for reference in ("a", "b", "c")] == [False, True, True]
