from __future__ import annotations

from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.pop3.ids import read_id
from worker.mail.pop3.memory import (
    KnownEmail,
    MailboxKey,
    MailboxMemory,
    mailbox_key,
    read_known_email,
)

ANN: MailboxKey = ("mail", 110, "ann")
BOB: MailboxKey = ("mail", 110, "bob")


def mail(uid: str, subject: str = "Hello", message_id: str | None = None) -> KnownEmail:
    field = f"Message-ID: {message_id}\r\n" if message_id else ""
    return read_known_email(f"{field}Subject: {subject}\r\n\r\n".encode(), uid=uid, size=100)


def revisit(memory: MailboxMemory, key: MailboxKey, *uids: str, size: int = 100) -> list[str]:
    """Visit a mailbox that holds these; return the unique ids of what is known."""
    numbered = dict(enumerate(uids, 1))
    known = memory.revisit(key, numbered, dict.fromkeys(numbered, size))
    assert all(mail.uid == numbered[number] for number, mail in known.items())
    return [mail.uid for mail in known.values()]


def test_remembered_emails_are_recognized_by_unique_id_and_size() -> None:
    memory = MailboxMemory(10_000)
    memory.remember(ANN, 1, mail("1"))
    assert memory.revisit(ANN, {7: "1", 8: "2"}, {7: 100, 8: 100}) == {7: mail("1")}
    assert revisit(memory, BOB, "1") == []
    assert revisit(memory, ANN, "1") == ["1"]
    assert revisit(memory, ANN, "1", size=101) == []
    assert memory.bytes == 0


def test_of_emails_with_one_unique_id_one_is_known() -> None:
    memory = MailboxMemory(10_000)
    for number in range(1, 5):
        memory.remember(ANN, number, mail("1"))
    assert memory.bytes == 4 * mail("1").bytes
    assert revisit(memory, ANN, *"1111") == ["1"]
    assert memory.bytes == mail("1").bytes


def test_a_mail_of_which_the_server_does_not_tell_the_size_is_not_known() -> None:
    memory = MailboxMemory(10_000)
    memory.remember(ANN, 1, mail("1"))
    assert memory.revisit(ANN, {1: "1"}, {}) == {}


def test_mails_that_have_left_the_mailbox_are_forgotten() -> None:
    memory = MailboxMemory(10_000)
    for uid in "123":
        memory.remember(ANN, int(uid), mail(uid))
    assert revisit(memory, ANN, "2", "4") == ["2"]
    assert revisit(memory, ANN, "1", "2", "3") == ["2"]
    revisit(memory, ANN)
    assert memory.bytes == 0


def test_the_mailbox_used_longest_ago_is_forgotten_first() -> None:
    memory = MailboxMemory(1_500)
    for key in (ANN, BOB):
        revisit(memory, key, "1")
        memory.remember(key, 1, mail("1"))
    revisit(memory, ANN, "1")
    for uid in "23":
        memory.remember(ANN, int(uid), mail(uid))
    assert memory.bytes <= 1_500
    assert revisit(memory, BOB, "1") == []
    assert revisit(memory, ANN, "1", "2", "3")[0] == "1"


def test_a_mailbox_larger_than_the_memory_keeps_what_it_has() -> None:
    memory = MailboxMemory(5_000)
    kept = [memory.remember(ANN, number, mail(str(number))) for number in range(1_000)]
    assert kept[0]
    assert not kept[-1]
    assert memory.bytes <= 5_000
    assert revisit(memory, ANN, "0", "999") == ["0"]


def test_remembering_again_counts_once() -> None:
    memory = MailboxMemory(10_000)
    memory.remember(ANN, 1, mail("1"))
    once = memory.bytes
    memory.remember(ANN, 1, mail("1"))
    assert memory.bytes == once
    memory.forget(ANN, 1)
    assert memory.bytes == 0


def test_a_long_subject_counts_for_what_it_is() -> None:
    memory = MailboxMemory(1_000_000)
    memory.remember(ANN, 1, mail("1", subject="x" * 100_000))
    assert memory.bytes > 100_000


def test_a_mailbox_is_the_same_with_another_password_or_encryption() -> None:
    def account(host: str, encryption: Encryption, password: str) -> Account:
        return Account(MailProtocol.POP3, host, 110, encryption, "ann", password)

    one = mailbox_key(account("mail", Encryption.NONE, "a"))
    other = mailbox_key(account("MAIL", Encryption.STARTTLS, "b"))
    assert one == other == ANN


def test_a_date_received_is_the_date_sent_where_no_server_has_noted_it() -> None:
    block = b"Date: Mon, 19 Aug 2024 06:54:28 +0000\r\n\r\n"
    known = read_known_email(block, uid="1", size=1)
    assert known.received_date == known.sent_date is not None


def test_an_id_names_a_mail_with_or_without_brackets() -> None:
    known = mail("u1", message_id="<One@x>")
    for text in ("<One@x>", "One@x", " <One@x> ", "pop3:u1", "<pop3:u1>"):
        assert read_id(text).names(known), text
    for text in ("one@x", "pop3:u2", "u1", "<>", ""):
        assert not read_id(text).names(known), text
    assert not read_id("<>").names(mail("u1"))


def test_an_id_of_the_worker_is_made_from_the_unique_id() -> None:
    assert mail("u1").own_id == "pop3:u1"
    assert not mail("u1").has_foreign_id
    assert not mail("u1", message_id="<pop3:u2>").has_foreign_id
    assert mail("u1", message_id="<a@b>").has_foreign_id


def test_an_email_is_recalled_with_the_number_that_it_should_have_now() -> None:
    memory = MailboxMemory(10_000)
    for number, uid in enumerate("123", 1):
        memory.remember(ANN, number, mail(uid, message_id=f"<{uid}@x>"))
    assert memory.recall(ANN, read_id("3@x").names) == (3, mail("3", message_id="<3@x>"))
    memory.note_deletion(ANN, 2)
    assert memory.recall(ANN, read_id("1@x").names) == (1, mail("1", message_id="<1@x>"))
    assert memory.recall(ANN, read_id("2@x").names) is None
    assert memory.recall(ANN, read_id("pop3:3").names) == (2, mail("3", message_id="<3@x>"))
    assert memory.recall(BOB, read_id("1@x").names) is None


def test_of_several_emails_with_an_id_the_newest_is_recalled() -> None:
    memory = MailboxMemory(10_000)
    for number, uid in ((2, "a"), (1, "b")):
        memory.remember(ANN, number, mail(uid, message_id="<twin@x>"))
    assert memory.recall(ANN, read_id("twin@x").names) == (2, mail("a", message_id="<twin@x>"))


def test_of_a_mailbox_without_remembered_emails_nothing_is_kept() -> None:
    memory = MailboxMemory(10_000)
    for number in range(100):
        assert revisit(memory, ("mail", 110, f"user{number}"), "1") == []
    memory.remember(ANN, 1, mail("1"))
    memory.note_deletion(ANN, 1)
    memory.forget(BOB, 1)
    assert not memory._mailboxes
