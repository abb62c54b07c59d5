"""IMAP operations against a server, and another program at the same account that looks at what they did."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.counting_proxy import CountingProxy, ProxyOptions
from testkit.dovecot import Dovecot
from testkit.imap_caller import ImapCaller, Place, Spot, WorkerCaller
from testkit.imap_probe import ImapProbe
from testkit.wire import ImapWire
from testkit.workers import email_worker

from worker.mail.imap.limits import ImapLimits
from worker.mail.imap.mailboxes import ImapMailboxes
from worker.mail.pool import PoolLimits
from worker.mail.timeouts import Timeouts
from worker.sandbox.mail_server import MailServer

SHORT = Timeouts(
    connect_seconds=10,
    tls_seconds=2,
    greeting_seconds=2,
    login_seconds=2,
    command_seconds=2,
    transfer_seconds=2,
)
GREENMAIL_USERS = 100
# The servers that every operation is tried at, and what a proxy takes away from Dovecot.
DOVECOT_WITHOUT = {
    "dovecot": (),
    "dovecot without MOVE": ("MOVE",),
    "dovecot without UIDPLUS": ("UIDPLUS",),
    "dovecot without MOVE and UIDPLUS": ("MOVE", "UIDPLUS"),
    "dovecot without SORT": ("SORT", "ESORT"),
    "dovecot without ESORT": ("ESORT",),
    "dovecot without NAMESPACE": ("NAMESPACE",),
}
SERVERS = (*DOVECOT_WITHOUT, "greenmail", "cyrus")
_NOT_IN_GREENMAIL = ("SENTON", "LARGER", "SMALLER")
numbers = itertools.count()

MakeMailboxes = Callable[..., ImapMailboxes]
MakeCaller = Callable[..., ImapCaller]


@pytest.fixture
async def make_mailboxes(certificates: Certificates) -> AsyncIterator[MakeMailboxes]:
    """Mailboxes that trust the tests' authority; each call makes what another worker would have."""
    async with AsyncExitStack() as stack:

        def make(timeouts: Timeouts = Timeouts(), **limits: Any) -> ImapMailboxes:  # noqa: B008 - frozen
            mailboxes = ImapMailboxes(
                certificates.client_context(), timeouts, ImapLimits(**limits), PoolLimits()
            )
            stack.push_async_callback(mailboxes.close)
            return mailboxes

        yield make


@pytest.fixture
def make_caller(make_mailboxes: MakeMailboxes) -> MakeCaller:
    """A caller for a port, as another worker would be."""

    def make(
        port: int, account: Account | None = None, *, has_short_timeouts: bool = False, **limits: Any
    ) -> ImapCaller:
        mailboxes = make_mailboxes(SHORT if has_short_timeouts else Timeouts(), **limits)
        account = account or Account("ann", "s3cret")
        return ImapCaller(mailboxes, port, account.username, account.password)

    return make


@pytest.fixture(scope="session")
def greenmail() -> Iterator[MailServer]:
    """A GreenMail with many users, of whom each test takes one. Its process needs no loop to serve them."""
    users = [(f"user{number}@example.org", "s3cret") for number in range(GREENMAIL_USERS)]
    with asyncio.Runner() as runner:
        context = MailServer.start(users, tls=False)
        yield runner.run(_enter(context))
        runner.run(_exit(context))


@pytest.fixture(params=SERVERS)
def spot(request: pytest.FixtureRequest) -> Spot:
    """An account at each server in turn."""
    if request.param in DOVECOT_WITHOUT:
        server = request.getfixturevalue("dovecot")
        account = request.getfixturevalue("dovecot_account")
        return Spot(server.imap_port, account, DOVECOT_WITHOUT[request.param])
    if request.param == "greenmail":
        account = Account(f"user{next(numbers)}@example.org", "s3cret")
        port = request.getfixturevalue("greenmail").imap_port
        return Spot(port, account, is_size_wrong=True, ends_rival_moves=True, lacks=_NOT_IN_GREENMAIL)
    return Spot(request.getfixturevalue("cyrus").imap_port, request.getfixturevalue("cyrus_account"))


@pytest.fixture
async def place(spot: Spot, make_mailboxes: MakeMailboxes) -> AsyncIterator[Place]:
    """An account at each server in turn, behind a counting proxy; what is called is an EmailWorker."""
    async with email_worker() as worker:

        def make_caller(port: int, account: Account) -> WorkerCaller:
            return WorkerCaller(make_mailboxes(), port, account.username, account.password, worker=worker)

        async with stand_between(spot, make_caller) as place:
            yield place


@pytest.fixture
async def dovecot_place(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> AsyncIterator[Place]:
    """An account at Dovecot behind a counting proxy."""
    async with stand_between(Spot(dovecot.imap_port, dovecot_account), make_caller) as place:
        yield place


@pytest.fixture
def open_place() -> Callable[[Spot, MakeCaller], AbstractAsyncContextManager[Place]]:
    """What puts a proxy before an account."""
    return stand_between


@asynccontextmanager
async def stand_between(spot: Spot, make_caller: MakeCaller) -> AsyncIterator[Place]:
    """Put a proxy before an account."""
    async with CountingProxy(ImapWire, spot.port, ProxyOptions(removed=spot.removed)) as proxy:
        probe = ImapProbe("127.0.0.1", spot.port, spot.account)
        yield Place(make_caller(proxy.port, spot.account), probe, proxy, spot)


async def _enter(context: AbstractAsyncContextManager[MailServer]) -> MailServer:
    return await context.__aenter__()


async def _exit(context: AbstractAsyncContextManager[MailServer]) -> None:
    await context.__aexit__(None, None, None)
