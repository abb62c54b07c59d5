from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from testkit.certificates import Certificates
from testkit.dovecot import Dovecot, DovecotOptions
from testkit.pop3_caller import Pop3Caller
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import Dialogue, hang, say

from worker.errors import MailboxBusy, MessageNotFound

MakeCaller = Callable[..., Pop3Caller]

MAIL = b"Subject: one\r\nMessage-ID: <one@x>\r\n\r\nHello\r\n"


@pytest.fixture(scope="module")
def locking_dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    """A Dovecot that lets one session at a time into a maildrop."""
    with Dovecot(certificates.server, DovecotOptions(locks_maildrop=True)) as server:
        yield server


async def test_a_second_operation_on_a_mailbox_waits_until_the_first_is_settled(
    make_caller: MakeCaller,
) -> None:
    async with ScriptedPop3({"1": MAIL}) as server:
        caller = make_caller(server.port)
        _, deferred = await caller.read("one@x")
        second = asyncio.ensure_future(caller.list_emails())
        third = asyncio.ensure_future(caller.read("one@x"))
        await deferred.commit()
        assert await second == []
        with pytest.raises(MessageNotFound):
            await third
        assert server.connections == 3
        assert server.most_open_sessions == 1


async def test_operations_on_one_mailbox_are_done_in_the_order_of_their_jobs(
    make_caller: MakeCaller,
) -> None:
    async with ScriptedPop3({"1": MAIL}) as server:
        caller = make_caller(server.port)
        done: list[int] = []

        async def call(number: int) -> None:
            await caller.list_emails()
            done.append(number)

        await asyncio.gather(*map(call, range(10)))
        assert done == list(range(10))


async def test_a_mailbox_that_hangs_does_not_delay_others(make_caller: MakeCaller) -> None:
    async with (
        ScriptedPop3({"1": MAIL}, Pop3Options(faults={"PASS": hang()})) as slow,
        ScriptedPop3({"1": MAIL}) as quick,
    ):
        caller = make_caller(slow.port)
        other = Pop3Caller(caller.mailboxes, quick.port)
        waiting = asyncio.ensure_future(caller.list_emails())
        await slow.heard("PASS")
        assert len(await other.list_emails()) == 1
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


@pytest.mark.parametrize("verb", ["GREETING", "PASS", "UIDL", "TOP"])
async def test_cancelling_a_job_frees_its_thread_and_its_mailbox_immediately(
    verb: str, make_caller: MakeCaller
) -> None:
    is_hanging = asyncio.Event()

    async def hang_and_tell(dialogue: Dialogue) -> None:
        is_hanging.set()
        await dialogue.wait_for_the_end()

    options = Pop3Options(faults={verb: hang_and_tell}, fault_sessions=1)
    async with ScriptedPop3({"1": MAIL}, options) as server, asyncio.timeout(60):
        caller = make_caller(server.port, max_sessions=1)
        waiting = asyncio.ensure_future(caller.list_emails())
        await is_hanging.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        # The only slot and the only thread are free again.
        assert len(await caller.list_emails()) == 1


async def test_no_more_sessions_are_open_than_allowed(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": MAIL}) as server:
        mailboxes = make_caller(server.port, max_sessions=2).mailboxes
        callers = [Pop3Caller(mailboxes, server.port, f"user{number}") for number in range(6)]
        lists = await asyncio.gather(*(caller.list_emails() for caller in callers))
        assert [len(mails) for mails in lists] == [1] * 6
        assert server.most_open_sessions == 2


async def test_a_mailbox_in_use_elsewhere_is_tried_again_until_it_is_free(make_caller: MakeCaller) -> None:
    options = Pop3Options(faults={"PASS": say("-ERR [IN-USE] another session")}, fault_sessions=2)
    async with ScriptedPop3({"1": MAIL}, options) as server:
        assert len(await make_caller(server.port).list_emails()) == 1
        assert server.connections == 3


@pytest.mark.parametrize("reply", ["-ERR [IN-USE] do you have another?", "-ERR maildrop already locked"])
async def test_a_mailbox_that_stays_in_use_is_an_error_that_is_retried(
    reply: str, make_caller: MakeCaller
) -> None:
    async with ScriptedPop3({"1": MAIL}, Pop3Options(faults={"PASS": say(reply)})) as server:
        with pytest.raises(MailboxBusy, match="in use by another session") as failure:
            await make_caller(server.port, busy_patience_seconds=0.3).list_emails()
        assert failure.value.is_retryable
        assert server.connections == 2


async def test_two_workers_take_turns_at_a_mailbox_that_its_server_locks(
    locking_dovecot: Dovecot, make_caller: MakeCaller
) -> None:
    account = locking_dovecot.add_user("shared", "s3cret")
    locking_dovecot.deliver(account.username, MAIL)
    first, second = (make_caller(locking_dovecot.pop3_port, account) for _ in range(2))
    _, deferred = await first.read("one@x")
    waiting = asyncio.ensure_future(second.read("one@x"))
    await deferred.commit()
    with pytest.raises(MessageNotFound):
        await waiting
    assert locking_dovecot.messages(account.username) == []


async def test_a_locked_mailbox_is_busy_and_nothing_is_lost(
    locking_dovecot: Dovecot, make_caller: MakeCaller
) -> None:
    account = locking_dovecot.add_user("busy", "s3cret")
    locking_dovecot.deliver(account.username, MAIL)
    first = make_caller(locking_dovecot.pop3_port, account)
    second = make_caller(locking_dovecot.pop3_port, account, busy_patience_seconds=0)
    _, deferred = await first.read("one@x")
    with pytest.raises(MailboxBusy):
        await second.read("one@x")
    await deferred.abandon()
    _, deferred = await second.read("one@x")
    await deferred.commit()
    assert locking_dovecot.messages(account.username) == []
