"""The same on servers of three makes: what is promised does not hang on one of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.counting_proxy import CountingProxy
from testkit.cyrus import Cyrus
from testkit.dovecot import Dovecot
from testkit.rooms_pop3 import Pop3Caller
from testkit.wire import Pop3Wire

from worker.errors import AuthenticationFailed, MailServerError, MessageNotFound
from worker.mail.maildrops import Maildrops
from worker.mail.pop3_limits import Pop3Limits
from worker.mail.timeouts import Timeouts
from worker.sandbox import Keystore, MailServer

# The mail server's pipes belong to the loop that made them, and one is started for all these tests.
pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "s3cret"
USERS = [f"user{number}@example.com" for number in range(20)]


@dataclass
class Mailbox:
    """A mailbox of a test's own at one server."""

    account: Account
    port: int
    tls_port: int
    deliver: Callable[[bytes], Awaitable[None]]
    subjects: Callable[[], Awaitable[list[str]]]


Call = Callable[..., Pop3Caller]


def mail(name: str) -> bytes:
    header = f"From: Ann <ann@example.org>\r\nSubject: {name}\r\nMessage-ID: <{name}@x>\r\n"
    return f"{header}\r\nHello {name}\r\n".encode()


def subject(raw: bytes) -> str:
    return raw.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def greenmail(certificates: Certificates) -> AsyncIterator[MailServer]:
    keystore = Keystore(certificates.server.keystore(), "changeit")
    users = [(user, PASSWORD) for user in USERS]
    async with MailServer.start(users, keystore=keystore) as server:
        yield server


@pytest.fixture(scope="module")
def greenmail_users() -> itertools.chain[str]:
    return itertools.chain(USERS)


@pytest.fixture(params=["dovecot", "greenmail", "cyrus"])
def mailbox(request: pytest.FixtureRequest) -> Mailbox:
    if request.param == "greenmail":
        return mailbox_at_greenmail(
            request.getfixturevalue("greenmail"), next(request.getfixturevalue("greenmail_users"))
        )
    server: Dovecot | Cyrus = request.getfixturevalue(request.param)
    account: Account = request.getfixturevalue(f"{request.param}_account")

    async def deliver(raw: bytes) -> None:
        await asyncio.to_thread(server.deliver, account.username, raw)

    async def subjects() -> list[str]:
        stored = await asyncio.to_thread(server.messages, account.username)
        return [subject(message.raw) for message in stored]

    return Mailbox(account, server.pop3_port, server.pop3s_port, deliver, subjects)


def mailbox_at_greenmail(server: MailServer, user: str) -> Mailbox:
    async def deliver(raw: bytes) -> None:
        await server.deliver(user, raw)

    async def subjects() -> list[str]:
        return [subject(raw) for raw in await server.messages(user)]

    return Mailbox(Account(user, PASSWORD), server.pop3_port, server.pop3s_port, deliver, subjects)


@pytest_asyncio.fixture(loop_scope="module")
async def call(certificates: Certificates, mailbox: Mailbox) -> AsyncIterator[Call]:
    """Callers for the mailbox, each as of another worker."""
    made: list[Maildrops] = []

    def make(port: int = 0, account: Account = mailbox.account) -> Pop3Caller:
        made.append(Maildrops(certificates.client_context(), Timeouts(), Pop3Limits()))
        return Pop3Caller(made[-1], port or mailbox.port, account.username, account.password)

    yield make
    for maildrops in made:
        await maildrops.close()


async def test_a_mail_is_listed_found_read_and_then_gone(mailbox: Mailbox, call: Call) -> None:
    for name in ("one", "two", "three"):
        await mailbox.deliver(mail(name))
    caller = call()
    listed = await caller.list_mails(sortField="SIZE", sortOrder="DESC")
    assert [row["messageId"] for row in listed] == ["<three@x>", "<one@x>", "<two@x>"]
    assert {row["fromAddress"] for row in listed} == {"ann@example.org"}
    for criteria in ({"field": "SUBJECT", "value": "TWO"}, {"field": "BODY", "value": "hello two"}):
        assert await caller.search_mails(criteria) == [{"messageId": "<two@x>", "subject": "two"}]
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
    async with CountingProxy(Pop3Wire, mailbox.port) as proxy:
        caller = call(proxy.port)
        first = await caller.list_mails()
        await mailbox.deliver(mail("three"))
        assert len(await caller.list_mails()) == len(first) + 1
        # GreenMail announces no TOP.
        assert proxy.verbs.count("TOP") + proxy.verbs.count("RETR") == 3


async def test_an_abandoned_read_leaves_the_mail(mailbox: Mailbox, call: Call) -> None:
    await mailbox.deliver(mail("one"))
    _, deferred = await call().read("one@x")
    await deferred.abandon()
    assert await mailbox.subjects() == ["one"]


async def test_a_connection_that_breaks_before_the_end_leaves_the_mail(mailbox: Mailbox, call: Call) -> None:
    await mailbox.deliver(mail("one"))
    async with CountingProxy(Pop3Wire, mailbox.port) as proxy:
        _, deferred = await call(proxy.port).read("one@x")
        await proxy.close_connections()
        with pytest.raises(MailServerError):
            await deferred.commit()
    # Another session sees it, so the server has not deleted it when it found the connection gone.
    assert len(await call().list_mails()) == 1
    assert await mailbox.subjects() == ["one"]


async def test_a_mail_without_an_id_has_one_of_ours_that_lasts(mailbox: Mailbox, call: Call) -> None:
    await mailbox.deliver(mail("one"))
    await mailbox.deliver(b"Subject: bare\r\n\r\nbare\r\n")
    found = await call().search_mails({"field": "SUBJECT", "value": "bare"})
    _, deferred = await call().delete(found[0]["messageId"])
    await deferred.commit()
    assert await mailbox.subjects() == ["one"]


async def test_two_workers_that_read_one_mail_at_once_delete_no_other(mailbox: Mailbox, call: Call) -> None:
    for name in ("one", "two"):
        await mailbox.deliver(mail(name))

    async def read_and_commit(caller: Pop3Caller) -> None:
        _, deferred = await caller.read("one@x")
        await deferred.commit()

    await asyncio.gather(*(read_and_commit(call()) for _ in range(2)), return_exceptions=True)
    assert await mailbox.subjects() == ["two"]


async def test_tls_from_the_first_byte(mailbox: Mailbox, call: Call) -> None:
    await mailbox.deliver(mail("one"))
    caller = call(mailbox.tls_port)
    caller.protocol = "SSL"
    assert [row["subject"] for row in await caller.list_mails()] == ["one"]


async def test_a_wrong_password_is_an_authentication_error(mailbox: Mailbox, call: Call) -> None:
    with pytest.raises(AuthenticationFailed):
        await call(account=Account(mailbox.account.username, "wrong")).list_mails()
