"""POP3 operations against a server, and what a test needs to look at them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.cyrus import Cyrus
from testkit.dovecot import Dovecot
from testkit.pop3_caller import Mailbox, Pop3Caller

from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.mailboxes import Pop3Mailboxes
from worker.mail.timeouts import Timeouts
from worker.sandbox import Keystore, MailServer

PASSWORD = "s3cret"
USERS = [f"user{number}@example.com" for number in range(20)]

SHORT = Timeouts(
    connect_seconds=10,
    tls_seconds=2,
    greeting_seconds=2,
    login_seconds=2,
    command_seconds=2,
    transfer_seconds=2,
)

MakeMailboxes = Callable[..., Pop3Mailboxes]
MakeCaller = Callable[..., Pop3Caller]


@pytest.fixture
async def make_mailboxes(certificates: Certificates) -> AsyncIterator[MakeMailboxes]:
    """Pop3Mailboxes that trust the tests' authority; each call makes what another worker would have."""
    async with AsyncExitStack() as stack:

        def make(timeouts: Timeouts = Timeouts(), **limits: Any) -> Pop3Mailboxes:  # noqa: B008 - frozen
            mailboxes = Pop3Mailboxes(certificates.client_context(), timeouts, Pop3Limits(**limits))
            stack.push_async_callback(mailboxes.close)
            return mailboxes

        yield make


@pytest.fixture
def make_caller(make_mailboxes: MakeMailboxes) -> MakeCaller:
    """A caller for a port, with limits and timeouts for its mailboxes."""

    def make(
        port: int, account: Account | None = None, *, has_short_timeouts: bool = False, **limits: Any
    ) -> Pop3Caller:
        mailboxes = make_mailboxes(SHORT if has_short_timeouts else Timeouts(), **limits)
        account = account or Account("ann", "s3cret")
        return Pop3Caller(mailboxes, port, account.username, account.password)

    return make


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def greenmail(certificates: Certificates) -> AsyncIterator[MailServer]:
    """A GreenMail for all tests of a module, which run on the loop that its pipes belong to."""
    keystore = Keystore(certificates.server.keystore(), "changeit")
    users = [(user, PASSWORD) for user in USERS]
    async with MailServer.start(users, keystore=keystore) as server:
        yield server


@pytest.fixture(scope="module")
def greenmail_users() -> Iterator[str]:
    """Users of `greenmail` that no test has taken yet."""
    return iter(USERS)


@pytest.fixture(params=["dovecot", "greenmail", "cyrus"])
def mailbox(request: pytest.FixtureRequest) -> Mailbox:
    """A mailbox at a server of each make; its test runs on the module's loop."""
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

    return Mailbox(
        request.param, account, server.pop3_port, server.pop3s_port, server.imap_port, deliver, subjects
    )


def mailbox_at_greenmail(server: MailServer, user: str) -> Mailbox:
    async def deliver(raw: bytes) -> None:
        await server.deliver(user, raw)

    async def subjects() -> list[str]:
        return [subject(raw) for raw in await server.messages(user)]

    return Mailbox(
        "greenmail",
        Account(user, PASSWORD),
        server.pop3_port,
        server.pop3s_port,
        server.imap_port,
        deliver,
        subjects,
    )


def subject(raw: bytes) -> str:
    """The subject of a test's plain mail."""
    return raw.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode()
