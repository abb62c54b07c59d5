"""Whoever knows a user name and not the password does not hold up the mailbox's owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from testkit.pop3_caller import MakeCaller, Pop3Caller, pop3_callers
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import Dialogue, say

from worker.errors import AuthenticationFailed


@pytest.fixture
async def make_caller() -> AsyncIterator[MakeCaller]:
    """Callers, each as of another worker."""
    async with pop3_callers() as make:
        yield make


async def test_strangers_with_wrong_passwords_do_not_delay_the_owner(make_caller: MakeCaller) -> None:
    is_served = asyncio.Event()

    async def check_password(dialogue: Dialogue) -> None:
        if dialogue.commands[-1] != "PASS right":
            await is_served.wait()
            await say("-ERR [AUTH] wrong password")(dialogue)
        else:
            await say("+OK")(dialogue)

    options = Pop3Options(faults={"PASS": check_password})
    async with ScriptedPop3({"1": b"Subject: x\r\n\r\nx\r\n"}, options) as server:
        mailboxes = make_caller(server.port).mailboxes
        strangers = [
            asyncio.ensure_future(Pop3Caller(mailboxes, server.port, "alice", f"wrong{n % 3}").list_emails())
            for n in range(10)
        ]
        await server.heard("PASS WRONG", times=3)
        async with asyncio.timeout(10):
            assert len(await Pop3Caller(mailboxes, server.port, "alice", "right").list_emails()) == 1
        assert not any(stranger.done() for stranger in strangers)
        is_served.set()
        for stranger in strangers:
            with pytest.raises(AuthenticationFailed):
                await stranger


async def test_remembered_emails_are_shown_only_after_a_sign_in(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": b"Subject: secret\r\n\r\nx\r\n"}) as server:
        caller = make_caller(server.port)
        await caller.list_emails()
        server.options = Pop3Options(faults={"PASS": say("-ERR [AUTH] wrong password")})
        stranger = Pop3Caller(caller.mailboxes, server.port, caller.username, "wrong")
        with pytest.raises(AuthenticationFailed):
            await stranger.list_emails()
