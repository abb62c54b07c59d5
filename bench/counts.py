"""What each operation takes at the mail server, counted by a proxy between the two."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

from testkit.counting_proxy import CountingProxy
from testkit.workers import email_worker

from bench.mailboxes import WIRES, Mailboxes
from bench.operations import OPERATIONS, Operation
from bench.plain_worker import OPERATIONS as PLAIN
from worker import EmailWorker

Call = Callable[[str, Mapping[str, Any]], Awaitable[object]]


@dataclass(frozen=True)
class Count:
    """What the second of two equal jobs took; `octets` in both directions, `peak_bytes` of Python objects.

    `round_trips` is how often the client waited for the server, for the greeting of a new connection too.
    """

    verbs: tuple[str, ...]
    round_trips: int
    octets: int
    peak_bytes: int = 0


async def count_worker(boxes: Mailboxes, *, with_memory: bool = False) -> dict[str, Count]:
    """Count the operations of this worker, by title."""
    async with email_worker() as email:
        return await _count_all("email", calls_of(email), boxes, with_memory=with_memory)


async def count_plain(boxes: Mailboxes) -> dict[str, Count]:
    """Count the plain worker's operations, by title."""
    return await _count_all("plain", call_plain, boxes)


def calls_of(email: EmailWorker) -> Call:
    """The operations of this worker, without an engine."""
    return lambda task, variables: email.call(f"email.{task}", variables)


async def call_plain(task: str, variables: Mapping[str, Any]) -> object:
    """The plain worker's operations, without an engine."""
    function = PLAIN[task]
    if asyncio.iscoroutinefunction(function):
        return await function(**variables)
    return await asyncio.to_thread(function, **variables)


async def _count_all(
    side: str, call: Call, boxes: Mailboxes, *, with_memory: bool = False
) -> dict[str, Count]:
    counts = {}
    async with AsyncExitStack() as stack:
        proxies = {
            protocol: await stack.enter_async_context(CountingProxy(wire, boxes.ports[protocol]))
            for protocol, wire in WIRES.items()
        }
        for operation in OPERATIONS:
            proxy = proxies[operation.protocol]

            async def do(port: int, operation: Operation = operation) -> None:
                await call(operation.task, boxes.variables(side, operation, port))

            count = await _count(do, proxy)
            if with_memory:
                # Without the proxy, which is in this process and would count too.
                count = replace(count, peak_bytes=await _peak_bytes(do, boxes.ports[operation.protocol]))
            counts[operation.title] = count
    return counts


async def _count(do: Callable[[int], Awaitable[None]], proxy: CountingProxy) -> Count:
    await do(proxy.port)
    proxy.commands.clear()
    proxy.bytes_from_client = proxy.bytes_from_server = proxy.round_trips = proxy.connections = 0
    await do(proxy.port)
    octets = proxy.bytes_from_client + proxy.bytes_from_server
    return Count(tuple(proxy.verbs), proxy.round_trips + proxy.connections, octets)


async def _peak_bytes(do: Callable[[int], Awaitable[None]], port: int) -> int:
    """The most that Python objects took beyond what there was before."""
    await do(port)
    tracemalloc.start()
    try:
        await do(port)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
