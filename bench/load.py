"""Many instances at the same time for one mail server; and for one while another does not answer."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.operations import SIDES, send_to, variables_for
from bench.servers import HOST, Cluster, running_cluster

# Instances at the same time, and how many in a round.
LEVELS = ((1, 100), (8, 300), (64, 800))
_ROUNDS = 3
_WARM_UP = 300
SICK_JOBS = 100
_HEALTHY_JOBS = 20
SICK_LIMIT_SECONDS = 10.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the start of an instance to its result."""

    p50: float
    p99: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Latency:
        """Sum up at least one sample, by nearest rank."""
        ordered = sorted(milliseconds)
        p50, p99 = (ordered[math.ceil(len(ordered) * share) - 1] for share in (0.5, 0.99))
        return cls(p50, p99)


async def measure_load(cluster: Cluster, smtp_port: int) -> dict[tuple[int, str], Latency]:
    """Send with both workers, alternating: as soon as an instance has ended, the next is started."""
    variables = variables_for(smtp_port, send_to(1))
    samples: dict[tuple[int, str], list[float]] = {
        (at_once, side): [] for at_once, _ in LEVELS for side in SIDES
    }
    for side in SIDES:
        await _run_many(cluster, side, variables, 8, _WARM_UP)
    for number in range(_ROUNDS):
        for at_once, count in LEVELS:
            for side in SIDES if number % 2 else reversed(SIDES):
                # While the other side was measured, this one asked an engine without long polling ever less
                # often: the first jobs would wait for that alone.
                await _run_many(cluster, side, variables, at_once, 2 * at_once)
                samples[at_once, side] += await _run_many(cluster, side, variables, at_once, count)
    return {key: Latency.of(each) for key, each in samples.items()}


async def _run_many(
    cluster: Cluster, side: str, variables: Mapping[str, Any], at_once: int, count: int
) -> list[float]:
    left = iter(range(count))

    async def run_next() -> list[float]:
        return [await _run_one(cluster, side, variables) for _ in left]

    return list(itertools.chain(*await asyncio.gather(*(run_next() for _ in range(at_once)))))


async def _run_one(cluster: Cluster, side: str, variables: Mapping[str, Any]) -> float:
    began = time.perf_counter()
    await cluster.run(f"{side}.smtp.send", variables)
    return (time.perf_counter() - began) * 1_000


async def measure_sick(smtp_port: int) -> dict[str, Latency | None]:
    """Send to one server while older jobs wait for one that never answers; None: not within the limit."""
    found: dict[str, Latency | None] = {}
    healthy = variables_for(smtp_port, send_to(1))
    for side in SIDES:
        # An engine for each side: the waiting jobs of one would delay the other.
        async with running_cluster(side) as cluster, _silent_server() as (silent_port, connected):
            await _run_one(cluster, side, healthy)
            for _ in range(SICK_JOBS):
                await cluster.start(f"{side}.smtp.send", variables_for(silent_port, send_to(1)))
            await connected.wait()
            found[side] = await _within_limit(cluster, side, healthy)
    return found


async def _within_limit(cluster: Cluster, side: str, variables: Mapping[str, Any]) -> Latency | None:
    try:
        async with asyncio.timeout(SICK_LIMIT_SECONDS):
            return Latency.of([await _run_one(cluster, side, variables) for _ in range(_HEALTHY_JOBS)])
    except TimeoutError:
        return None


@asynccontextmanager
async def _silent_server() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A server that takes connections and says nothing: its port, and an event for its first client."""
    connected = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()

    server = await asyncio.start_server(hold, HOST)
    try:
        yield server.sockets[0].getsockname()[1], connected
    finally:
        server.close()
