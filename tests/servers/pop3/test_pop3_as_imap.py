"""The same mailbox by POP3 and by IMAP: the same mails, in the same order, with the same text."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import testkit
from testkit.imap_caller import ImapCaller
from testkit.pop3_caller import Mailbox, Pop3Caller

from worker.mail.imap.limits import ImapLimits
from worker.mail.imap.mailboxes import ImapMailboxes
from worker.mail.pool import PoolLimits
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.mailboxes import Pop3Mailboxes
from worker.mail.timeouts import Timeouts
from worker.sandbox.errors import SandboxError

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAILS = Path(testkit.__file__).parents[1] / "data" / "mails"
# IMAP servers read header sections themselves and stop at what breaks them; POP3 ends a message with a
# line break that it may not have had.
DAMAGED = {
    "blank-before-colon",
    "blank-mbox-line-first",
    "bom-first",
    "boundary-changes",
    "boundary-glued-to-header",
    "boundary-single-quotes",
    "broken-fold",
    "charset-truncated",
    "cr-only",
    "cr-only-last-line-crlf",
    "empty",
    "empty-line-first",
    "from-is-text",
    "header-name-beyond-ascii",
    "header-nul",
    "mbox-from-line",
    "missing-empty-line",
    "no-headers",
    "stray-base64-first",
    "stray-line-first",
    "stray-time-first",
    "type-comma-without-blank",
}


def mail(number: int, sender: str, subject: str, body: str, more: str = "") -> bytes:
    headers = f"From: {sender}\r\nSubject: {subject}\r\nMessage-ID: <{number}@x>\r\n{more}"
    return f"{headers}\r\n{body}\r\n".encode()


SOUGHT = [
    mail(1, "Jane Doe <jane@example.org>", "Order 17", "Hello there"),
    mail(2, "john@example.net", "Re: order 17", "second answer"),
    mail(3, "=?utf-8?q?J=C3=B6rg?= <joerg@example.org>", "=?utf-8?b?R3LDvMOfZQ==?=", "nothing"),
    mail(4, "ann@example.org", "folded\r\n subject", "say HELLO", "Reply-To: jane@example.org\r\n"),
    mail(
        5,
        "ann@example.org",
        "base64",
        "R3LDvMOfZSBhdXMgS8O2bG4sIGhlbGxv",
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: base64\r\n",
    ),
    mail(6, "ann@example.org", "late", "West", "Date: Sun, 01 Mar 2026 23:30:00 -0500\r\n"),
    mail(7, "ann@example.org", "early", "East", "Date: Mon, 02 Mar 2026 00:30:00 +0500\r\n"),
]
JANE = {"field": "FROM", "value": "JANE"}
HELLO = {"field": "BODY", "value": "hello"}
SEARCHES = [
    JANE,
    HELLO,
    {"field": "FROM", "value": "Jane Doe"},
    {"field": "FROM", "value": "@example.org"},
    {"field": "SUBJECT", "value": "ORDER 17"},
    {"field": "SUBJECT", "value": "folded subject"},
    {"field": "SENTON", "value": "2026-03-01"},
    {"field": "SENTON", "value": "2026-03-02"},
    {"operator": "AND", "criteria": [{"field": "SUBJECT", "value": "o"}, HELLO]},
    {"operator": "OR", "criteria": [JANE, {"field": "BODY", "value": "second"}]},
    {
        "operator": "AND",
        "criteria": [HELLO, {"operator": "OR", "criteria": [JANE, {"field": "FROM", "value": "ann"}]}],
    },
]

Callers = tuple[Pop3Caller, ImapCaller]


@pytest_asyncio.fixture(loop_scope="module")
async def callers(mailbox: Mailbox) -> AsyncIterator[Callers]:
    """Both at one mailbox."""
    context, account = ssl.create_default_context(), mailbox.account
    by_pop3 = Pop3Mailboxes(context, Timeouts(), Pop3Limits())
    by_imap = ImapMailboxes(context, Timeouts(), ImapLimits(), PoolLimits())
    yield (
        Pop3Caller(by_pop3, mailbox.pop3_port, account.username, account.password),
        ImapCaller(by_imap, mailbox.imap_port, account.username, account.password),
    )
    await by_pop3.close()
    await by_imap.close()


MOST_DIFFERING = 3
ONLY_BY_IMAP = {"receivedDateTime", "seen", "flagged", "hasAttachments"}


async def deliver(mailbox: Mailbox, raw: bytes) -> None:
    try:
        await mailbox.deliver(raw)
    except SandboxError:
        assert mailbox.make == "greenmail"  # it does not take every mail


def comparable_rows(mailbox: Mailbox, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [comparable(mailbox, row) for row in rows]


def comparable(mailbox: Mailbox, row: dict[str, Any]) -> dict[str, Any]:
    """A row without what the protocols say differently: when a server took the mail, and ids of ours."""
    kept = {name: value for name, value in row.items() if name not in ONLY_BY_IMAP}
    if row["messageId"].startswith(("pop3:", "imap:")):
        kept["messageId"] = "ours"
    if mailbox.make == "greenmail":
        kept.pop("size", None)  # its IMAP gives the size of the body
    return kept


async def test_lists_and_reads_are_the_same(mailbox: Mailbox, callers: Callers) -> None:
    for file in sorted(MAILS.glob("*.eml")):
        if file.stem not in DAMAGED:
            await deliver(mailbox, file.read_bytes())
    for sort_field in ("SENT_DATE",) if mailbox.make == "greenmail" else ("SENT_DATE", "SIZE"):
        for sort_order in ("ASC", "DESC"):
            order = {"sortField": sort_field, "sortOrder": sort_order, "maxToBeRead": 500}
            by_pop3, by_imap = [await caller.list_emails(**order) for caller in callers]
            assert len(by_pop3) > 50
            assert comparable_rows(mailbox, by_pop3) == comparable_rows(mailbox, by_imap)
    pop3, imap = callers
    # All of them at one server, some at the others, which are slow at it.
    step = 1 if mailbox.make == "dovecot" else 8
    differing = []
    for pop3_row, imap_row in zip(by_pop3[::step], by_imap[::step], strict=True):
        read, deferred = await pop3.read(pop3_row["messageId"], storeAttachments=False)
        await deferred.abandon()
        expected = await imap.read(imap_row["messageId"])
        assert comparable(mailbox, read) == comparable(mailbox, expected)
        if mailbox.make == "dovecot" and imap_row["hasAttachments"] is not bool(read["attachments"]):
            differing.append(imap_row["subject"])
    # Reading alone can tell what is in opaque S/MIME; of a damaged structure, each has a view of its own.
    assert len(differing) <= MOST_DIFFERING


# GreenMail's search by IMAP minds letter case.
@pytest.mark.parametrize("mailbox", ["dovecot", "cyrus"], indirect=True)
async def test_searches_find_the_same(mailbox: Mailbox, callers: Callers) -> None:
    for raw in SOUGHT:
        await mailbox.deliver(raw)
    pop3, imap = callers
    for criteria in SEARCHES:
        by_pop3, by_imap = await pop3.search_emails(criteria), await imap.search(criteria)
        assert comparable_rows(mailbox, by_pop3) == comparable_rows(mailbox, by_imap), criteria
        assert 0 < len(by_pop3) < len(SOUGHT), criteria
