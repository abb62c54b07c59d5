"""What POP3 visits show of themselves in numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from testkit.pop3_caller import Pop3Caller
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import close

from worker.errors import ConnectionFailed
from worker.mail.pool import PoolFigures

MakeCaller = Callable[..., Pop3Caller]

MAIL = b"Subject: one\r\nMessage-ID: <one@x>\r\n\r\nHello\r\n"


async def test_an_email_that_waits_for_camunda_is_pending_and_later_jobs_wait(
    make_caller: MakeCaller,
) -> None:
    async with ScriptedPop3({"1": MAIL}) as server:
        caller = make_caller(server.port)
        mailboxes = caller.mailboxes
        _, deferred = await caller.read("one@x")
        behind = asyncio.create_task(caller.list_emails())
        await asyncio.sleep(0)
        assert mailboxes.pending_deletions == 1
        assert mailboxes.figures == PoolFigures(idle=0, busy=1, waiting=1, opened=1, reconnects=0)
        await deferred.commit()
        assert await behind == []
    assert (mailboxes.pending_deletions, mailboxes.failed_deletions) == (0, 0)
    assert mailboxes.figures == PoolFigures(idle=0, busy=0, waiting=0, opened=2, reconnects=0)


async def test_a_failed_deletion_is_counted_and_no_longer_pending(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": MAIL}, Pop3Options(faults={"DELE": close()})) as server:
        caller = make_caller(server.port)
        _, deferred = await caller.read("one@x")
        with pytest.raises(ConnectionFailed):
            await deferred.commit()
    assert (caller.mailboxes.pending_deletions, caller.mailboxes.failed_deletions) == (0, 1)
    assert caller.mailboxes.figures.busy == 0


async def test_a_failed_sign_in_leaves_no_session_and_no_waiting_job(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": MAIL}, Pop3Options(faults={"PASS": close()})) as server:
        caller = make_caller(server.port)
        with pytest.raises(ConnectionFailed):
            await caller.list_emails()
    assert caller.mailboxes.figures == PoolFigures(0, 0, 0, 0, 0)
