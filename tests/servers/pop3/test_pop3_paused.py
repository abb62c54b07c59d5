"""A worker that stands still at any command while others use the mailbox deletes only what Camunda has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from testkit.accounts import Account
from testkit.counting_proxy import CountingProxy, Cut
from testkit.dovecot import Dovecot
from testkit.pop3_caller import Pop3Caller
from testkit.wire import Pop3Wire

from worker.errors import MailServerError, MessageNotFound

MakeCaller = Callable[..., Pop3Caller]
LIMIT_SECONDS = 60


def mail(name: str) -> bytes:
    return f"From: ann@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@x>\r\n\r\nHello\r\n".encode()


class Job:
    """Camunda's side of one job: the first result is stored, and the job is gone."""

    def __init__(self) -> None:
        self.is_stored = False

    async def run(self, caller: Pop3Caller, operation: str, message_id: str) -> None:
        """Work on it, and report the result."""
        _, deferred = await getattr(caller, operation)(message_id)
        if self.is_stored:
            await deferred.abandon()
            return
        self.is_stored = True
        await deferred.commit()


@pytest.mark.parametrize("operation", ["read", "delete"])
@pytest.mark.parametrize("when", [Cut.BEFORE_COMMAND, Cut.BEFORE_ANSWER])
async def test_only_what_camunda_has_is_deleted(
    operation: str, when: Cut, dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    user, at, is_paused = dovecot_account.username, 0, True
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        first, second = (
            make_caller(proxy.port, dovecot_account),
            make_caller(dovecot.pop3_port, dovecot_account),
        )
        while is_paused:
            at += 1
            names = [f"{at}-{name}" for name in ("before", "wanted", "after")]
            for name in names:
                dovecot.deliver(user, mail(name))
            before, wanted, after = (f"{name}@x" for name in names)
            job, hold = Job(), proxy.hold(at, when)
            async with asyncio.timeout(LIMIT_SECONDS):
                paused = asyncio.ensure_future(job.run(first, operation, wanted))
                reached = asyncio.ensure_future(hold.reached.wait())
                await asyncio.wait([paused, reached], return_when=asyncio.FIRST_COMPLETED)
                reached.cancel()
                if is_paused := hold.reached.is_set():
                    await Job().run(second, operation, before)
                    if not job.is_stored:
                        await job.run(second, operation, wanted)
                hold.release()
                (outcome,) = await asyncio.gather(paused, return_exceptions=True)
            assert outcome is None or isinstance(outcome, MailServerError | MessageNotFound), outcome
            left = [stored.raw for stored in dovecot.messages(user)]
            assert mail(names[2]) in left
            assert job.is_stored
            assert mail(names[1]) not in left
            await Job().run(second, "delete", after)
