"""Work that is cancelled at any moment ends at once, leaves nothing open, and spoils nothing for the next."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.counting_proxy import CountingProxy, Cut
from testkit.document_server import DocumentServer
from testkit.dovecot import Dovecot
from testkit.imap_caller import ImapCaller
from testkit.pop3_caller import Pop3Caller
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions
from testkit.smtp_caller import PATIENT, SmtpCaller
from testkit.wire import ImapWire, Pop3Wire, Wire

from worker.documents.http_client import HttpClient, HttpTimeouts
from worker.documents.urls import UrlPolicy
from worker.errors import SendOutcomeUnknown
from worker.mail.imap.limits import ImapLimits
from worker.mail.imap.mailboxes import ImapMailboxes
from worker.mail.pool import PoolLimits
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.mailboxes import Pop3Mailboxes
from worker.models.authentication import AuthenticationType, TokenCredentials
from worker.oauth.access_tokens import TOKEN_FAILURES, AccessTokens

LIMIT_SECONDS = 60
MAIL = b"From: ann@example.org\r\nSubject: one\r\nMessage-ID: <%b>\r\n\r\nHello\r\n"
PATIENT_HTTP = HttpTimeouts(connect_seconds=60, read_seconds=60, total_seconds=60)

Work = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def nothing_left_open() -> AsyncIterator[None]:
    """Fail if the block leaves a descriptor or a thread of a session."""
    before = open_descriptors()
    yield
    await until(lambda: all(thread.name != "mail session" for thread in threading.enumerate()))
    await until(lambda: open_descriptors() <= before)


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while not is_so():  # noqa: ASYNC110 - threads and the operating system set no event
            await asyncio.sleep(0)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def cancel(task: asyncio.Task[Any]) -> BaseException | None:
    """Cancel it and wait for its end; the error that it ends with, which is that it was cancelled."""
    was_running = task.cancel()
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.wait([task])
    if not was_running:
        task.result()
        return None
    error: BaseException | None = (await asyncio.gather(task, return_exceptions=True))[0]
    assert isinstance(error, asyncio.CancelledError | SendOutcomeUnknown), f"not cancelled: {error!r}"
    return error


async def cancel_at_each_command(proxy: CountingProxy, work: Work, when: Cut, turns_after: int) -> None:
    """Cancel it at each command: before the server has seen it, or some turns after it has answered."""
    for number in itertools.count(1):
        hold = proxy.hold(number, when)
        task = asyncio.ensure_future(work())
        reached = asyncio.ensure_future(hold.reached.wait())
        async with asyncio.timeout(LIMIT_SECONDS):
            await asyncio.wait([task, reached], return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        if when is Cut.BEFORE_ANSWER:
            hold.release()
            await turns(turns_after)
        await cancel(task)
        hold.release()
        if not hold.reached.is_set():
            return


@pytest.mark.parametrize("operation", ["list", "read", "delete"])
@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
async def test_mailbox_work_that_is_cancelled_at_any_command_ends_at_once(
    protocol: str, operation: str, dovecot: Dovecot, dovecot_account: Account
) -> None:
    wire: type[Wire] = ImapWire if protocol == "IMAP" else Pop3Wire
    port = dovecot.imap_port if protocol == "IMAP" else dovecot.pop3_port
    numbers = itertools.count()
    async with nothing_left_open(), CountingProxy(wire, port) as proxy, AsyncExitStack() as stack:
        caller = mailbox_caller(protocol, proxy.port, dovecot_account, stack)

        async def work() -> None:
            name = f"{next(numbers)}@x"
            dovecot.deliver(dovecot_account.username, MAIL % name.encode())
            proxy.commands.clear()
            if operation == "list":
                await caller.list_emails()
                return
            done = await getattr(caller, operation)(name)
            if protocol == "POP3":
                await done[1].commit()

        for when, count in [
            (Cut.BEFORE_COMMAND, 0),
            *((Cut.BEFORE_ANSWER, count) for count in (0, 20)),
        ]:
            await cancel_at_each_command(proxy, work, when, count)
        await until(lambda: caller.mailboxes.figures.busy == 0)
        await work()


def mailbox_caller(
    protocol: str, port: int, account: Account, stack: AsyncExitStack
) -> ImapCaller | Pop3Caller:
    tls = ssl.create_default_context()
    if protocol == "IMAP":
        imap = ImapMailboxes(tls, PATIENT, ImapLimits(), PoolLimits())
        stack.push_async_callback(imap.close)
        return ImapCaller(imap, port, account.username, account.password)
    pop3 = Pop3Mailboxes(tls, PATIENT, Pop3Limits())
    stack.push_async_callback(pop3.close)
    return Pop3Caller(pop3, port, account.username, account.password)


@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
async def test_mailbox_work_that_is_cancelled_at_any_turn_of_the_event_loop_ends_at_once(
    protocol: str, dovecot: Dovecot, dovecot_account: Account
) -> None:
    port = dovecot.imap_port if protocol == "IMAP" else dovecot.pop3_port
    async with nothing_left_open(), AsyncExitStack() as stack:
        caller = mailbox_caller(protocol, port, dovecot_account, stack)
        for count in range(60):
            task = asyncio.ensure_future(caller.list_emails())
            await turns(count)
            await cancel(task)
        await until(lambda: caller.mailboxes.figures.busy == 0)
        await caller.list_emails()


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "tls"])
async def test_an_email_whose_sending_is_cancelled_at_any_turn_is_not_sent_or_may_have_been(
    certificates: Certificates, is_encrypted: bool
) -> None:
    options = SmtpOptions(tls=certificates.server.server_context() if is_encrypted else None)
    protocol = "SSL" if is_encrypted else "NONE"
    body = "x" * 100_000  # of which most goes before the lease is looked at
    async with nothing_left_open(), ScriptedSmtp(options=options) as server:
        caller = SmtpCaller.open(certificates.client_context()).at(server.port, protocol, host="localhost")
        for count in itertools.count():
            await caller.send()
            server.accepted.clear()
            task = asyncio.ensure_future(caller.send(to=["ann@example.org", "bob@example.org"], body=body))
            await turns(count)
            is_over = task.done()
            error = await cancel(task)
            assert len(server.accepted) <= (0 if isinstance(error, asyncio.CancelledError) else 1)
            assert caller.pool.figures.busy == 0
            if is_over:
                break
        await caller.pool.close()


@pytest.mark.parametrize("is_warm", [False, True], ids=["opening", "warm"])
@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "tls"])
async def test_a_request_that_is_cancelled_at_any_turn_ends_at_once(
    certificates: Certificates, is_encrypted: bool, is_warm: bool
) -> None:
    tls = certificates.server.server_context() if is_encrypted else None
    async with nothing_left_open(), DocumentServer(tls_context=tls) as server:
        server.pages["page"] = (200, {}, b"x" * 300_000)
        for count in itertools.count():
            client = HttpClient(certificates.client_context(), PATIENT_HTTP)
            get = partial(client.request, "GET", f"{server.address}/files/page", max_bytes=1_000_000)
            if is_warm:
                await get()
            task = asyncio.ensure_future(get())
            await turns(count)
            is_over = task.done()
            await cancel(task)
            assert (await get()).content == b"x" * 300_000
            await client.close()
            if is_over:
                break


async def test_who_gives_up_waiting_for_a_token_at_any_turn_leaves_the_request_to_the_others(
    certificates: Certificates,
) -> None:
    async with nothing_left_open(), DocumentServer() as server:
        credentials = TokenCredentials(
            AuthenticationType.CLIENT_CREDENTIALS, "ann", server.token_url, "worker", "s3cret"
        )
        for count in itertools.count():
            server.sign_ins.clear()
            http = HttpClient(certificates.client_context(), PATIENT_HTTP, TOKEN_FAILURES)
            tokens = AccessTokens(http, UrlPolicy(None))
            task = asyncio.ensure_future(tokens.token(credentials))
            await turns(count)
            is_over = task.done()
            await cancel(task)
            other = asyncio.ensure_future(tokens.token(credentials))
            await turns(count)
            await cancel(other)
            assert await tokens.token(credentials) == "token-1"
            assert len(server.sign_ins) == 1
            late = asyncio.ensure_future(AccessTokens(http, UrlPolicy(None)).token(credentials))
            await turns(count)
            await cancel(late)
            await tokens.close()
            if is_over:
                break
