from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.errors import (
    AuthenticationFailed,
    MailboxBusy,
    MailServerError,
    ProtocolViolation,
    ServerRefused,
    ServerUnavailable,
)
from worker.mail.pop3.replies import read_capabilities, read_sizes, read_uids, refusal


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"-ERR [IN-USE] Do you have another POP session?", MailboxBusy),
        (b"-ERR [in-use] lower case", MailboxBusy),
        (b"-ERR [LOGIN-DELAY] wait a minute", ServerUnavailable),
        (b"-ERR [SYS/TEMP] try later", ServerUnavailable),
        (b"-ERR [SYS/TEMP/DISK] try later", ServerUnavailable),
        (b"-ERR [SYS/PERM] corrupt", ServerRefused),
        (b"-ERR [AUTH] wrong", AuthenticationFailed),
        (b"-ERR [SYSTEM] unknown code", AuthenticationFailed),
        (b"-ERR invalid password", AuthenticationFailed),
        (b"-ERR", AuthenticationFailed),
        (b"-ERR maildrop already locked", MailboxBusy),
        (b"-ERR Your mailbox is in use by another session", MailboxBusy),
        (b"-ERR your account is locked", AuthenticationFailed),
        (b"-ERR [AUTH] mailbox locked by the administrator", MailboxBusy),
    ],
)
def test_a_refused_sign_in_is_understood_by_its_code(reply: bytes, error: type[MailServerError]) -> None:
    assert type(refusal("mail:110", reply, "the sign-in", AuthenticationFailed)) is error


def test_a_refused_command_without_a_code_is_refused_permanently() -> None:
    error = refusal("mail:110", b"-ERR no such message", "RETR 7")
    assert type(error) is ServerRefused
    assert str(error) == "mail:110 refused RETR 7 (no such message)."
    assert error.details == {"server": "mail:110"}


def test_an_answer_of_another_protocol_is_none() -> None:
    assert type(refusal("mail:143", b"* OK IMAP4rev1 ready", "the greeting")) is ProtocolViolation


def test_a_reason_is_cut_and_contains_no_control_characters() -> None:
    message = str(refusal("mail:110", b"-ERR a\x1b[31m\x00\xff " + b"b" * 5000, "LIST"))
    assert len(message) < 300
    assert message.isprintable()


def test_capabilities_are_read_in_any_case_and_other_lines_are_ignored() -> None:
    capabilities = read_capabilities(b"TOP\r\nsasl plain LOGIN\r\n\r\nEXPIRE NEVER\r\n\xff\xfe\r\n")
    assert "TOP" in capabilities
    assert "EXPIRE" in capabilities
    assert "UIDL" not in capabilities
    assert capabilities["SASL"] == ["PLAIN", "LOGIN"]


def test_listings_are_read_with_any_text_after_the_two_words() -> None:
    assert read_sizes(b"1 120\r\n2 200 more\r\n") == {1: 120, 2: 200}
    assert read_uids(b"1 abc\r\n2 with space\r\n3 \xff\r\n") == {1: "abc", 2: "with space", 3: "%FF"}
    assert read_sizes(b"") == {}


def test_a_message_without_a_unique_id_has_none() -> None:
    assert read_uids(b"1 a\r\n2\r\n3 \r\n4 d\r\n") == {1: "a", 4: "d"}


def test_a_size_that_cannot_be_is_none() -> None:
    assert read_sizes(b"1 -1\r\n2 -5\r\n") == {1: 0, 2: 0}


pieces = st.sampled_from(
    [b"1", b"22", b"-1", b"a", b" ", b"\r\n", b"\n", b"\r", b"\t", b"\x1c", b"\xff", b"9" * 5_000]
)


@settings(max_examples=1_000, deadline=None)
@given(st.lists(pieces, max_size=12).map(b"".join))
def test_any_lines_are_a_listing_or_a_value_error(block: bytes) -> None:
    with suppress(ValueError):
        assert all(number >= 0 and size >= 0 for number, size in read_sizes(block).items())
    with suppress(ValueError):
        assert all(uid.isprintable() and uid.isascii() for uid in read_uids(block).values())


@pytest.mark.parametrize(
    "block", [b"1\r\n", b"one 1\r\n", b"\r\n", b"1 100 2\r\n200\r\n", b"+1 5\r\n", b"1 " + b"9" * 5_000]
)
def test_a_line_that_is_no_listing_is_a_value_error(block: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the session gives it its words
        read_sizes(block)
