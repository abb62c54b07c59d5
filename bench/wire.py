"""Commands and bytes: what passes the wire per operation, first and repeated, and on a slow line."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from testkit.accounts import Account
from testkit.counting_proxy import CountingProxy, ProxyOptions
from testkit.wire import ImapWire, Pop3Wire, SmtpWire, Wire

from bench.bare_pop3 import visit
from bench.bare_smtp import BareSmtp
from bench.distribution import Distribution
from bench.scale import Scale
from bench.servers import HOST, MailStore, mail_store, smtp_sink
from bench.sides import IMAP_OPERATIONS, LETTER, BareSide, WorkerImap, variables_for, worker_with

Step = Callable[[int], Awaitable[object]]
Seen = dict[str, Any]


async def measure(scale: Scale) -> dict[str, Any]:
    """Measure all operations with every delay."""
    rows = []
    with mail_store() as store, smtp_sink() as sink_port:
        for index, delay_seconds in enumerate(scale.delays_seconds):
            line = _Line(scale, store, delay_seconds)
            mine = store.account(f"mine{index}", scale.folder_messages)
            bare = store.account(f"bare{index}", scale.folder_messages)
            rows += [await line.imap(operation, mine, bare) for operation in IMAP_OPERATIONS]
            rows += [await line.smtp(sink_port), await line.pop3(mine)]
    return {"rows": rows, "folder_messages": scale.folder_messages}


class _Line:
    """A line with a delay, on which one operation after the other is measured."""

    def __init__(self, scale: Scale, store: MailStore, delay_seconds: float) -> None:
        self._rounds = scale.wire_rounds
        self._store = store
        self._delay_seconds = delay_seconds
        self._next_number = 1

    async def imap(self, operation: str, mine: Account, bare: Account) -> Seen:
        """The worker's first time includes the sign-in; what is repeated is another message's turn."""
        server_port = self._store.dovecot.imap_port
        first, self._next_number = self._next_number, self._next_number + self._rounds + 2
        async with AsyncExitStack() as stack:
            ours, theirs = [await stack.enter_async_context(self._proxy(ImapWire, server_port)) for _ in "ab"]
            email = await stack.enter_async_context(worker_with())
            worker = WorkerImap(email, ours.port, mine)
            client = await asyncio.to_thread(BareSide.at, theirs.port, bare)
            row = await self._compare(
                (ours, lambda number: worker.do(operation, first + number)),
                (theirs, lambda number: asyncio.to_thread(client.do, operation, first + number)),
            )
            client.session.close()
        return {"operation": f"IMAP {operation}", **row}

    async def smtp(self, server_port: int) -> Seen:
        """The same for sending."""
        async with AsyncExitStack() as stack:
            ours, theirs = [await stack.enter_async_context(self._proxy(SmtpWire, server_port)) for _ in "ab"]
            email = await stack.enter_async_context(worker_with())
            variables = variables_for(ours.port, LETTER)
            client = await asyncio.to_thread(BareSmtp, HOST, theirs.port)
            row = await self._compare(
                (ours, lambda _: email.call("email.smtp.send", variables)),
                (theirs, lambda _: asyncio.to_thread(client.send)),
            )
            client.close()
        return {"operation": "SMTP send", **row}

    async def pop3(self, account: Account) -> Seen:
        """The same for a list over POP3; its first time fetches all headers."""
        server_port = self._store.dovecot.pop3_port
        async with AsyncExitStack() as stack:
            ours, theirs = [await stack.enter_async_context(self._proxy(Pop3Wire, server_port)) for _ in "ab"]
            email = await stack.enter_async_context(worker_with())
            variables = variables_for(ours.port, {"maxToBeRead": 100}, account=account)
            row = await self._compare(
                (ours, lambda _: email.call("email.pop3.list", variables)),
                (theirs, lambda _: asyncio.to_thread(visit, HOST, theirs.port, account)),
            )
        return {"operation": "POP3 list", **row}

    def _proxy(self, wire: type[Wire], server_port: int) -> CountingProxy:
        return CountingProxy(wire, server_port, ProxyOptions(delay_seconds=self._delay_seconds))

    async def _compare(self, ours: tuple[CountingProxy, Step], theirs: tuple[CountingProxy, Step]) -> Seen:
        first = await _count(*ours, 0)
        await _count(*theirs, 0)
        repeats: list[Seen] = []
        bare: list[Seen] = []
        for number in range(1, self._rounds + 1):
            repeats.append(await _count(*ours, number))
            bare.append(await _count(*theirs, number))
        worker_ms, bare_ms = (Distribution.of([each["ms"] for each in side]) for side in (repeats, bare))
        return {
            "delay_ms": self._delay_seconds * 1_000,
            "first": first,
            "repeated": repeats[-1],
            "bare": bare[-1],
            "worker_ms": worker_ms.to_json(),
            "bare_ms": bare_ms.to_json(),
            "ratio": worker_ms.ratio_to(bare_ms),
        }


async def _count(proxy: CountingProxy, step: Step, number: int) -> Seen:
    proxy.commands.clear()
    proxy.bytes_from_client = proxy.bytes_from_server = proxy.round_trips = 0
    began = time.perf_counter()
    await step(number)
    return {
        "ms": (time.perf_counter() - began) * 1_000,
        "verbs": _runs(proxy.verbs),
        "commands": len(proxy.commands),
        "round_trips": proxy.round_trips,
        "bytes_sent": proxy.bytes_from_client,
        "bytes_received": proxy.bytes_from_server,
    }


def _runs(verbs: list[str]) -> list[str]:
    """The verbs in order, one that is repeated only once, with how often."""
    runs = [(verb, len(list(run))) for verb, run in itertools.groupby(verbs)]
    return [verb if times == 1 else f"{times} times {verb}" for verb, times in runs]
