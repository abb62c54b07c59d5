from __future__ import annotations

import errno

import pytest
from aiosmtplib import SMTPServerDisconnected

from worker.errors import ConnectionFailed, MailServerError, ProtocolViolation, ServerTimeout
from worker.mail.connection import failure_of
from worker.mail.smtp.replies import NO_REPLY, Delivery, Offer, Recipients, Reply, check_reply
from worker.models.smtp import Refusal, RefusedRecipient

SERVER = "mail.example.org:587"
OK = Reply(250, ("2.1.0 Ok",))
GO = Reply(354, ("Go on",))
NO = Reply(550, ("5.1.1 No",))
NO_RECIPIENTS = Reply(554, ("5.5.1 No valid recipients",))


def delivery_of(addresses: list[str], offer: Offer) -> Delivery:
    """What comes of a message to which the server gave these replies in place of taking it."""
    recipients = Recipients(SERVER, addresses, set())
    recipients.note(recipients.next_batch(), offer, None)
    return recipients.delivery()


def test_the_lines_of_a_reply_are_one_text_with_its_status_once() -> None:
    reply = Reply(550, ("5.1.1 No such user;", "5.1.1 check the", "5.1.2 address"))
    assert str(reply) == "550 5.1.1 No such user; check the 5.1.2 address"


def test_a_reply_without_text_is_its_code() -> None:
    assert str(Reply(250, ("",))) == "250"


def test_a_long_reply_is_cut() -> None:
    assert len(Reply(250, ("x" * 5000,)).text) == 1000


def test_a_text_that_is_no_reply_is_quoted_without_unprintable_characters() -> None:
    with pytest.raises(ProtocolViolation, match="does not speak SMTP: it answered “Malformed � line”"):
        check_reply(SERVER, Reply(NO_REPLY, ("Malformed \x00 line",)))


def test_a_permanently_refused_sender_is_the_answer_with_any_later_replies() -> None:
    offer = Offer(NO, (Reply(503, ("Sender first",)),), Reply(503, ("Sender first",)))
    assert delivery_of(["bob@x"], offer) == Delivery(
        is_sent=False, refusal=Refusal(code=550, message="5.1.1 No")
    )


def test_a_refused_data_does_not_hide_the_recipients_that_were_refused_before() -> None:
    offer = Offer(OK, (OK, NO), NO_RECIPIENTS)
    assert delivery_of(["bob@x", "cid@x"], offer) == Delivery(
        is_sent=False,
        refused_recipients=(RefusedRecipient(address="cid@x", code=550, message="5.1.1 No"),),
        refusal=Refusal(code=554, message="5.5.1 No valid recipients"),
    )


def test_a_recipient_that_was_accepted_is_not_one_too_many_whatever_the_text() -> None:
    recipients = Recipients(SERVER, ["bob@x"], set())
    recipients.note(recipients.next_batch(), Offer(OK, (Reply(250, ("4.5.3 Almost too many",)),), GO), OK)
    assert recipients.next_batch() == []
    assert recipients.delivery() == Delivery(is_sent=True)


def test_data_that_is_completed_immediately_is_no_answer() -> None:
    with pytest.raises(ProtocolViolation, match="250"):
        delivery_of(["bob@x"], Offer(OK, (OK,), OK))


@pytest.mark.parametrize(
    ("error", "expected", "text"),
    [
        (TimeoutError(), ServerTimeout, "did not answer within 5 seconds"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), ConnectionFailed, "refused"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] Other"),
            ConnectionFailed,
            "refused",
        ),
        (SMTPServerDisconnected("Unexpected EOF"), ConnectionFailed, "closed by the other side"),
    ],
)
def test_a_failure_is_said_in_words(error: Exception, expected: type[MailServerError], text: str) -> None:
    failure = failure_of(SERVER, error, 5)
    assert type(failure) is expected
    assert text in failure.message
    assert SERVER in failure.message
    assert failure.details == {"server": SERVER}
