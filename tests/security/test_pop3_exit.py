"""What hangs at a name server or a mail server delays neither other jobs nor the worker's end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import testkit
from testkit.pop3_caller import MakeCaller, pop3_callers
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import hang

from worker.errors import ServerTimeout
from worker.mail.timeouts import Timeouts

HANGING_LOOKUP = """
import asyncio, socket, threading
from testkit.pop3_caller import pop3_callers
from worker.errors import ServerTimeout
from worker.event_loop import EventLoop
from worker.mail.timeouts import Timeouts

socket.getaddrinfo = lambda *rest, **more: threading.Event().wait()

async def main():
    async with pop3_callers() as make_caller:
        caller = make_caller(110, timeouts=Timeouts(connect_seconds=0.2), max_sessions=1)
        for name in ("first", "second"):
            caller.host = name + ".invalid"
            try:
                await caller.list_emails()
            except ServerTimeout as error:
                print(error.message)

with asyncio.Runner(loop_factory=EventLoop) as runner:
    runner.run(main())
"""


@pytest.fixture
async def make_caller() -> AsyncIterator[MakeCaller]:
    """Callers, each as of another worker."""
    async with pop3_callers() as make:
        yield make


def test_a_name_lookup_that_hangs_does_not_delay_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING_LOOKUP],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(testkit.__file__).parents[1],
    )
    assert done.stdout.splitlines() == [
        "first.invalid:110 did not take a connection within 0.2 seconds.",
        "second.invalid:110 did not take a connection within 0.2 seconds.",
    ]


async def test_a_sign_off_that_hangs_is_given_up_and_counts_until_then(
    make_caller: MakeCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.mail.pop3.visit._SIGN_OFF_SECONDS", 0.2)
    options = Pop3Options(faults={"QUIT": hang()})
    async with ScriptedPop3({"1": b"Subject: x\r\n\r\nx\r\n"}, options) as server, asyncio.timeout(30):
        caller = make_caller(server.port, max_sessions=2)
        jobs = [asyncio.ensure_future(caller.list_emails()) for _ in range(3)]
        await server.heard("QUIT")
        assert caller.mailboxes.figures.busy == 1
        for rows in await asyncio.gather(*jobs):
            assert len(rows) == 1
        await caller.mailboxes.close()
        assert caller.mailboxes.figures.busy == 0
        assert server.most_open_sessions <= 2


async def test_a_handshake_that_hangs_is_ended_in_its_time(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({}, Pop3Options(faults={"GREETING": hang()})) as server, asyncio.timeout(30):
        caller = make_caller(server.port, timeouts=Timeouts(tls_seconds=0.2))
        caller.protocol = "SSL"
        with pytest.raises(ServerTimeout):
            await caller.list_emails()
        await caller.mailboxes.close()
        assert caller.mailboxes.figures.busy == 0
