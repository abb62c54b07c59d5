"""The same mailbox over IMAP and over POP3: the same list, the same mails, the same hits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING, Any

import pytest
from testkit.dovecot import Dovecot
from testkit.workers import email_worker

from worker import EmailWorker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testkit.accounts import Account

Ask = Callable[..., Awaitable[tuple[Any, Any]]]


def mail(number: int, text: str, **headers: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    usual = {"message_id": f"<{number}@example.com>", "from": "jane@example.com", "subject": f"Mail {number}"}
    for name, value in (usual | headers).items():
        if value:
            message[name.replace("_", "-")] = value
    message.set_content(text)
    if number % 3 == 0:
        message.add_alternative(f"<p>{text}</p>", subtype="html")
    if number % 4 == 0:
        message.add_attachment(b"%PDF" * 500, maintype="application", subtype="pdf", filename="a.pdf")
    return message.as_bytes()


MAILS = [
    mail(1, "Hello\n", date="Mon, 02 Nov 2026 10:00:00 +0100"),
    mail(2, "Grüße aus Köln\n", subject="Grüße", date="Sun, 01 Nov 2026 10:00:00 +0000"),
    mail(
        3, "two parts\n", **{"from": '"Doe, Jane" <doe@example.org>'}, date="Tue, 03 Nov 2026 10:00:00 -0500"
    ),
    mail(4, "with a file\n", date="Wed, 04 Nov 2026 10:00:00 +0000"),
    mail(5, "no date\n"),
    mail(6, "no sender\n", **{"from": ""}, date="Thu, 05 Nov 2026 10:00:00 +0000"),
    mail(7, "no id\n", message_id="", date="Fri, 06 Nov 2026 10:00:00 +0000"),
    mail(8, "no subject\n", subject="", date="Sat, 07 Nov 2026 10:00:00 +0000"),
    mail(9, "日本語の本文\n", subject="日本語", date="Sun, 08 Nov 2026 10:00:00 +0900"),
    mail(10, "THE ORDER is urgent\n", date="Mon, 09 Nov 2026 10:00:00 +0000"),
    mail(1, "the same id as the first\n", date="Mon, 09 Nov 2026 11:00:00 +0000"),
]


@pytest.fixture
async def worker() -> AsyncIterator[EmailWorker]:
    async with email_worker(EMAIL_WORKER_MAX_MESSAGE_BYTES="20000000") as running:
        yield running


@pytest.fixture
def ask(worker: EmailWorker, dovecot: Dovecot, dovecot_account: Account) -> Ask:
    """Ask both protocols about the account's mailbox; gives IMAP's answer and POP3's."""
    for raw in MAILS:
        dovecot.deliver(dovecot_account.username, raw)

    async def both(operation: str, **parameters: Any) -> tuple[Any, Any]:
        answers = []
        for protocol, port in (("imap", dovecot.imap_port), ("pop3", dovecot.pop3_port)):
            variables = {
                "authentication": {
                    "username": dovecot_account.username,
                    "password": dovecot_account.password,
                },
                "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
                "parameters": parameters,
            }
            answers.append(await worker.call(f"email.{protocol}.{operation}", variables))
        return answers[0], answers[1]

    return both


def comparable(mails: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What both protocols can know: each says in its own way when a mail was received, and ids of ours."""
    own = ("imap:", "pop3:")
    return [
        {
            name: "ours" if name == "messageId" and str(value).startswith(own) else value
            for name, value in mail.items()
            if name != "receivedDateTime"
        }
        for mail in mails
    ]


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("field", ["SENT_DATE", "SIZE"])
async def test_lists_are_the_same(ask: Ask, field: str, order: str) -> None:
    imap, pop3 = await ask("list", maxToBeRead=1000, sortField=field, sortOrder=order)
    assert len(imap) == len(MAILS)
    assert comparable(imap) == comparable(pop3)


async def test_a_list_that_is_cut_holds_the_same_mails(ask: Ask) -> None:
    imap, pop3 = await ask("list", maxToBeRead=7, sortField="SENT_DATE", sortOrder="DESC")
    assert len(imap) == 7
    assert comparable(imap) == comparable(pop3)


@pytest.mark.parametrize(
    "criteria",
    [
        None,
        {"field": "FROM", "value": "EXAMPLE.com"},
        {"field": "FROM", "value": "Doe, J"},
        {"field": "SUBJECT", "value": "grüss"},
        {"field": "SUBJECT", "value": "日本"},
        {"field": "BODY", "value": "urgent"},
        {"field": "BODY", "value": "KÖLN"},
        {"field": "BODY", "value": "JVBERiVQREYl"},
        {
            "operator": "OR",
            "criteria": [{"field": "BODY", "value": "本文"}, {"field": "FROM", "value": "doe"}],
        },
        {
            "operator": "AND",
            "criteria": [{"field": "BODY", "value": "the"}, {"field": "SUBJECT", "value": "mail 10"}],
        },
    ],
    ids=str,
)
async def test_searches_find_the_same(ask: Ask, criteria: Any) -> None:
    imap, pop3 = await ask("search", criteria=criteria)
    assert comparable(imap) == comparable(pop3)


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6, 8, 9, 10])
async def test_a_mail_reads_the_same(ask: Ask, number: int) -> None:
    imap, pop3 = await ask("read", messageId=f"<{number}@example.com>")
    assert imap["plainTextBody"]
    assert comparable([imap]) == comparable([pop3])
