"""The same on servers of three makes: what is promised does not hang on one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.counting_proxy import CountingProxy
from testkit.pop3_caller import Mailbox, Pop3Caller
from testkit.wire import Pop3Wire

from worker.errors import AuthenticationFailed, MailServerError, MessageNotFound
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.mailboxes import Pop3Mailboxes
from worker.mail.timeouts import Timeouts

# The mail server's pipes belong to the loop that made them, and one is started for all these tests.
pytestmark = pytest.mark.asyncio(loop_scope="module")


Call = Callable[..., Pop3Caller]


def mail(name: str) -> bytes:
    header = f"From: Ann <ann@example.org>\r\nSubject: {name}\r\nMessage-ID: <{name}@x>\r\n"
    return f"{header}\r\nHello {name}\r\n".encode()


@pytest_asyncio.fixture(loop_scope="module")
async def call(certificates: Certificates, mailbox: Mailbox) -> AsyncIterator[Call]:
    """Callers for the mailbox, each as of another worker."""
    made: list[Pop3Mailboxes] = []

    def make(port: int = 0, account: Account = mailbox.account) -> Pop3Caller:
        made.append(Pop3Mailboxes(certificates.client_context(), Timeouts(), Pop3Limits()))
        return Pop3Caller(made[-1], port or mailbox.pop3_port, account.username, account.password)

    yield make
    for mailboxes in made:
        await mailboxes.close()


async def test_a_mail_is_listed_found_read_and_then_gone(mailbox: Mailbox, call: Call) -> None:
    for name in ("one", "two", "three"):
        await mailbox.deliver(mail(name))
    caller = call()
    listed = await caller.list_emails(sortField="SIZE", sortOrder="DESC")
    assert [row["messageId"] for row in listed] == ["<three@x>", "<one@x>", "<two@x>"]
    assert {row["fromAddress"] for row in listed} == {"ann@example.org"}
    for criteria in ({"field": "SUBJECT", "value": "TWO"}, {"field": "BODY", "value": "hello two"}):
        assert await caller.search_emails(criteria) == [{"messageId": "<two@x>", "subject": "two"}]
    read, deferred = await caller.read("two@x")
    assert read["plainTextBody"] == "Hello two\n"
    assert read["size"] == listed[2]["size"]
    assert await mailbox.subjects() == ["one", "two", "three"]
    await deferred.commit()
    assert await mailbox.subjects() == ["one", "three"]
    with pytest.raises(MessageNotFound):
        await caller.read("two@x")
    _, deferred = await caller.delete("<three@x>")
    await deferred.commit()
    assert await mailbox.subjects() == ["one"]


async def test_headers_are_asked_for_once(mailbox: Mailbox, call: Call) -> None:
    for name in ("one", "two"):
        await mailbox.deliver(mail(name))
    async with CountingProxy(Pop3Wire, mailbox.pop3_port) as proxy:
        caller = call(proxy.port)
        first = await caller.list_emails()
        await mailbox.deliver(mail("three"))
        assert len(await caller.list_emails()) == len(first) + 1
        # GreenMail announces no TOP.
        assert proxy.verbs.count("TOP") + proxy.verbs.count("RETR") == 3


async def test_an_abandoned_read_leaves_the_mail(mailbox: Mailbox, call: Call) -> None:
    await mailbox.deliver(mail("one"))
    _, deferred = await call().read("one@x")
    await deferred.abandon()
    assert await mailbox.subjects() == ["one"]


async def test_a_connection_that_breaks_before_the_end_leaves_the_mail(mailbox: Mailbox, call: Call) -> None:
    await mailbox.deliver(mail("one"))
    async with CountingProxy(Pop3Wire, mailbox.pop3_port) as proxy:
        _, deferred = await call(proxy.port).read("one@x")
        await proxy.close_connections()
        with pytest.raises(MailServerError):
            await deferred.commit()
    # Another session sees it, so the server has not deleted it when it found the connection gone.
    assert len(await call().list_emails()) == 1
    assert await mailbox.subjects() == ["one"]


async def test_a_mail_without_an_id_has_one_of_the_worker_that_lasts(mailbox: Mailbox, call: Call) -> None:
    await mailbox.deliver(mail("one"))
    await mailbox.deliver(b"Subject: bare\r\n\r\nbare\r\n")
    found = await call().search_emails({"field": "SUBJECT", "value": "bare"})
    _, deferred = await call().delete(found[0]["messageId"])
    await deferred.commit()
    assert await mailbox.subjects() == ["one"]


async def test_two_workers_that_read_one_email_at_the_same_time_delete_no_other(
    mailbox: Mailbox, call: Call
) -> None:
    for name in ("one", "two"):
        await mailbox.deliver(mail(name))

    async def read_and_commit(caller: Pop3Caller) -> None:
        _, deferred = await caller.read("one@x")
        await deferred.commit()

    await asyncio.gather(*(read_and_commit(call()) for _ in range(2)), return_exceptions=True)
    assert await mailbox.subjects() == ["two"]


async def test_tls_from_the_first_byte(mailbox: Mailbox, call: Call) -> None:
    await mailbox.deliver(mail("one"))
    caller = call(mailbox.pop3s_port)
    caller.protocol = "SSL"
    assert [row["subject"] for row in await caller.list_emails()] == ["one"]


async def test_a_wrong_password_is_an_authentication_error(mailbox: Mailbox, call: Call) -> None:
    with pytest.raises(AuthenticationFailed):
        await call(account=Account(mailbox.account.username, "wrong")).list_emails()
