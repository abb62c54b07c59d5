"""A worker that stands still at any command until another one has sent the email does not send it too."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from testkit.counting_proxy import CountingProxy, Cut, ProxyOptions
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions
from testkit.smtp_caller import SmtpCaller
from testkit.wire import SmtpWire

from worker.job.engine_errors import JobGone

LIMIT_SECONDS = 60


@pytest.mark.parametrize("size", [10, 200_000], ids=["small", "large"])
@pytest.mark.parametrize("removed", [(), ("PIPELINING",)], ids=["with PIPELINING", "without"])
@pytest.mark.parametrize("when", [Cut.BEFORE_COMMAND, Cut.BEFORE_ANSWER])
async def test_an_email_is_sent_twice_only_if_the_worker_stands_still_after_the_final_dot(
    caller: SmtpCaller, when: Cut, removed: tuple[str, ...], size: int
) -> None:
    extensions = tuple(name for name in SmtpOptions().extensions if name not in removed)
    async with (
        ScriptedSmtp(options=SmtpOptions(extensions=extensions)) as server,
        CountingProxy(SmtpWire, server.port, ProxyOptions(removed=removed)) as proxy,
    ):
        at, is_paused, is_over = 0, True, False

        def check() -> None:
            if is_over:
                raise JobGone("its timeout has passed")

        while is_paused:
            at += 1
            is_over = False
            server.accepted.clear()
            first, second = caller.at(proxy.port, may_change=check), caller.at(server.port)
            hold = proxy.hold(at, when)
            paused = asyncio.ensure_future(first.send(body="x" * size))
            reached = asyncio.ensure_future(hold.reached.wait())
            async with asyncio.timeout(LIMIT_SECONDS):
                await asyncio.wait([paused, reached], return_when=asyncio.FIRST_COMPLETED)
                reached.cancel()
                if is_paused := hold.reached.is_set():
                    is_over = True
                    await second.send(body="x" * size)
                hold.release()
                with suppress(JobGone):
                    await paused
            is_after_the_dot = hold.command is not None and hold.command.verb == "."
            assert len(server.accepted) == (2 if is_after_the_dot else 1)
            assert len({mail.raw for mail in server.accepted}) == 1, (
                "the double can be told by its Message-ID"
            )
