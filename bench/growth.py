"""Growth: how time, bytes and memory of an operation follow the number of messages in the folder."""

from __future__ import annotations

import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from testkit.accounts import Account
from testkit.counting_proxy import CountingProxy, ProxyOptions
from testkit.wire import ImapWire

from bench.distribution import Distribution
from bench.scale import Scale
from bench.servers import MailStore, mail_store
from bench.sides import BareSide, WorkerImap, compare, worker_with

_OPERATIONS = ("list", "search", "read", "move")
_WITHOUT_SORT = ("SORT",)


async def measure(scale: Scale) -> dict[str, Any]:
    """Measure folders of all sizes."""
    rows = []
    with mail_store() as store:
        for size in scale.growth_sizes:
            mine, bare = (store.account(f"{name}{size}", size) for name in ("mine", "bare"))
            rows += await _with_sort(scale, store, mine, bare, size)
            rows.append(await _without_sort(scale, store, mine, bare, size))
    return {"rows": rows}


async def _with_sort(
    scale: Scale, store: MailStore, mine: Account, bare: Account, size: int
) -> list[dict[str, Any]]:
    port = store.dovecot.imap_port
    rows = []
    client = BareSide.at(port, bare)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(CountingProxy(ImapWire, port))
        email = await stack.enter_async_context(worker_with())
        direct, counted = WorkerImap(email, port, mine), WorkerImap(email, proxy.port, mine)
        next_number = 1
        for operation in _OPERATIONS:
            first, next_number = next_number, next_number + scale.growth_rounds + 4

            async def ours(number: int, operation: str = operation, first: int = first) -> object:
                return await direct.do(operation, _number(operation, first + number, size))

            async def theirs(number: int, operation: str = operation, first: int = first) -> object:
                return client.do(operation, _number(operation, first + number, size))

            worker_ms, bare_ms = await compare(ours, theirs, rounds=scale.growth_rounds)
            last = first + scale.growth_rounds + 1
            await counted.do(operation, _number(operation, last, size))
            proxy.bytes_from_server = proxy.bytes_from_client = 0
            await counted.do(operation, _number(operation, last + 1, size))
            peak = await _peak_bytes(lambda: direct.do(operation, _number(operation, last + 2, size)))  # noqa: B023 - awaited here
            rows.append(_row(operation, size, worker_ms, bare_ms, proxy) | {"peak_bytes": peak})
    client.session.close()
    return rows


async def _without_sort(
    scale: Scale, store: MailStore, mine: Account, bare: Account, size: int
) -> dict[str, Any]:
    """The first list fetches the sort keys of all messages, the next ones those of new messages."""
    port = store.dovecot.imap_port
    options = ProxyOptions(removed=_WITHOUT_SORT)
    client = BareSide.at(port, bare)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(CountingProxy(ImapWire, port, options))
        email = await stack.enter_async_context(worker_with())
        worker = WorkerImap(email, proxy.port, mine)

        async def ours(_number: int) -> object:
            return await worker.do("list", 0)

        async def theirs(_number: int) -> object:
            return client.do("list", 0)

        first_peak = await _peak_bytes(lambda: worker.do("list", 0))
        first_bytes = proxy.bytes_from_server + proxy.bytes_from_client
        worker_ms, bare_ms = await compare(ours, theirs, rounds=scale.growth_rounds)
        proxy.bytes_from_server = proxy.bytes_from_client = 0
        peak = await _peak_bytes(lambda: worker.do("list", 0))
        row = _row("list without SORT, again", size, worker_ms, bare_ms, proxy)
    client.session.close()
    return row | {"peak_bytes": peak, "first_bytes": first_bytes, "first_peak_bytes": first_peak}


def _row(
    operation: str, size: int, worker_ms: Distribution, bare_ms: Distribution, proxy: CountingProxy
) -> dict[str, Any]:
    return {
        "operation": operation,
        "messages": size,
        "worker_ms": worker_ms.to_json(),
        "bare_ms": bare_ms.to_json(),
        "ratio": worker_ms.ratio_to(bare_ms),
        "bytes": proxy.bytes_from_server + proxy.bytes_from_client,
    }


def _number(operation: str, number: int, size: int) -> int:
    """The last message is found by its subject alone: no other number begins with its own."""
    return size if operation == "search" else number


async def _peak_bytes(step: Callable[[], Awaitable[object]]) -> int:
    """The most that Python objects took beyond what there was before."""
    tracemalloc.start()
    try:
        await step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
