"""Whatever a POP3 server sends, an operation ends, and takes less than 100 MB."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import testkit
from testkit.pop3_caller import MakeCaller, pop3_callers
from testkit.scripted_pop3 import CAPABILITIES, Pop3Options, ScriptedPop3
from testkit.scripted_server import Dialogue, Step, drip, endless_line, say

from worker.errors import ServerTimeout
from worker.mail.pop3 import session
from worker.mail.timeouts import Timeouts

MOST_BYTES = 100 * 1024 * 1024
MANY = 2_000_000
UNKNOWN = say("-ERR unknown command")


@pytest.fixture
async def make_caller() -> AsyncIterator[MakeCaller]:
    """Callers, each as of another worker."""
    async with pop3_callers() as make:
        yield make


def lines(count: int, line: Callable[[int], bytes]) -> Step:
    """A reply of so many lines."""

    async def step(dialogue: Dialogue) -> None:
        await dialogue.send(b"+OK\r\n")
        for start in range(1, count, 10_000):
            await dialogue.send(b"".join(map(line, range(start, min(start + 10_000, count + 1)))))
        await dialogue.send(b".\r\n")

    return step


def without_end(piece: bytes) -> Step:
    """A reply that never ends."""

    async def step(dialogue: Dialogue) -> None:
        await dialogue.send(b"+OK\r\n")
        while True:
            await dialogue.send(piece)

    return step


def sizes(count: int) -> Step:
    """LIST for so many messages of a thousand octets each."""
    return lines(count, lambda number: b"%d 1000\r\n" % number)


HEADER_OF_A_MEGABYTE = say("+OK", "Subject: " + "ü" * 450_000, "", ".")
FAULTS: dict[str, tuple[str, dict[str, Step]]] = {
    "a greeting without end": ("list", {"GREETING": endless_line()}),
    "capabilities without end": ("list", {"CAPA": without_end(b"X\r\n" * 20_000)}),
    "one capability without end": ("list", {"CAPA": without_end(b"X" * 60_000)}),
    "two million sizes": ("list", {"LIST": sizes(MANY), "UIDL": UNKNOWN}),
    "two million unique ids": (
        "list",
        {"UIDL": lines(MANY, lambda number: b"%d u%d\r\n" % (number, number))},
    ),
    "empty lines without end": ("list", {"LIST": without_end(b"\r\n" * 30_000)}),
    "a unique id without end": ("read", {"UIDL": without_end(b"1" * 60_000)}),
    "a hundred thousand messages without headers": (
        "list",
        {"LIST": sizes(100_000), "UIDL": UNKNOWN, "TOP": say("+OK", "Subject: x", "", ".")},
    ),
    "large headers": ("list", {"LIST": sizes(1_000), "UIDL": UNKNOWN, "TOP": HEADER_OF_A_MEGABYTE}),
    "large headers under one unique id": (
        "list",
        {
            "LIST": sizes(1_000),
            "UIDL": lines(1_000, lambda number: b"%d same\r\n" % number),
            "TOP": HEADER_OF_A_MEGABYTE,
        },
    ),
    "large headers to search": (
        "search",
        {"LIST": sizes(1_000), "UIDL": UNKNOWN, "TOP": HEADER_OF_A_MEGABYTE},
    ),
    "a header without end": ("list", {"TOP": without_end(b"Subject: x\r\n" * 5_000)}),
    "a header line without end": ("list", {"TOP": without_end(b"x" * 60_000)}),
    "a message that drips": ("read", {"RETR": drip("+OK" + " " * 100_000, pause_seconds=1)}),
    "blank replies to one unique id": ("read", {"UIDL": without_end(b"\r\n" * 30_000)}),
}


async def run_apart(port: int, operation: str) -> dict[str, Any]:
    """Do an operation in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "testkit.pop3_client",
        str(port),
        operation,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(testkit.__file__).parents[1],
    )
    try:
        async with asyncio.timeout(120):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    outcome: dict[str, Any] = json.loads(printed)
    return outcome


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_hostile_server_takes_little_memory_and_the_operation_ends(fault: str) -> None:
    operation, faults = FAULTS[fault]
    options = Pop3Options(capabilities=(*CAPABILITIES,), faults=faults)
    async with ScriptedPop3({"1": b"Message-ID: <one@x>\r\n\r\nx\r\n"}, options) as server:
        outcome = await run_apart(server.port, operation)
    assert outcome["grown_bytes"] < MOST_BYTES
    assert outcome["code"] in {None, "PROTOCOL_ERROR", "TIMEOUT", "RESULT_TOO_LARGE"}


async def test_a_large_listing_is_read_outside_the_event_loop(
    make_caller: MakeCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all other jobs would wait while a hundred thousand lines are looked at."""
    threads = set()

    def noted_read(block: bytes) -> dict[int, int]:
        threads.add(threading.current_thread())
        return {1: len(block)}

    monkeypatch.setattr(session, "read_sizes", noted_read)
    async with ScriptedPop3({"1": b"Subject: x\r\n\r\nx\r\n"}) as server:
        assert len(await make_caller(server.port).list_emails()) == 1
    assert threads
    assert threading.main_thread() not in threads


async def test_a_size_below_zero_is_not_in_the_result(make_caller: MakeCaller) -> None:
    options = Pop3Options(faults={"LIST": say("+OK", "1 -5", ".")})
    async with ScriptedPop3({"1": b"Subject: x\r\n\r\nx\r\n"}, options) as server:
        assert [row["size"] for row in await make_caller(server.port).list_emails()] == [0]


async def test_an_operation_that_gets_on_but_never_ends_is_ended_in_its_time(make_caller: MakeCaller) -> None:
    messages = {str(number): b"Subject: x\r\n\r\nx\r\n" for number in range(10_000)}

    async def slow(dialogue: Dialogue) -> None:
        await asyncio.sleep(0.05)
        await say("+OK", "Subject: x", "", ".")(dialogue)

    async with ScriptedPop3(messages, Pop3Options(faults={"TOP": slow})) as server:
        caller = make_caller(server.port, timeouts=Timeouts(transfer_seconds=0.7))
        with pytest.raises(ServerTimeout, match=r"did not finish within 0\.7 seconds, at TOP"):
            await caller.list_emails()
        assert 0 < server.verbs.count("TOP") < len(messages)
