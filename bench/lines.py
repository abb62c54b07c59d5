"""How long a job takes on a slow line, from the start of a process instance to its result."""

from __future__ import annotations

import statistics
import time
from contextlib import AsyncExitStack

from testkit.counting_proxy import CountingProxy, ProxyOptions

from bench.mailboxes import WIRES, Mailboxes
from bench.operations import OPERATIONS, SIDES, Operation
from bench.servers import Cluster

DELAYS_MS = (0, 5, 50)
_ROUNDS = 8

# Median milliseconds by title, side and delay.
Times = dict[tuple[str, str, int], float]


async def measure_lines(cluster: Cluster, boxes: Mailboxes) -> Times:
    """Let the two workers alternate; the proxy between them and the mail server makes each reply late."""
    times: Times = {}
    for delay_ms in DELAYS_MS:
        async with AsyncExitStack() as stack:
            options = ProxyOptions(delay_seconds=delay_ms / 1_000)
            ports = {}
            for protocol, wire in WIRES.items():
                proxy = CountingProxy(wire, boxes.ports[protocol], options)
                ports[protocol] = (await stack.enter_async_context(proxy)).port
            for operation in OPERATIONS:
                medians = await _alternate(cluster, boxes, operation, ports[operation.protocol])
                times |= {(operation.title, side, delay_ms): median for side, median in medians.items()}
    return times


async def _alternate(cluster: Cluster, boxes: Mailboxes, operation: Operation, port: int) -> dict[str, float]:
    samples: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(_ROUNDS + 1):
        for side in SIDES if number % 2 else reversed(SIDES):
            variables = boxes.variables(side, operation, port)
            began = time.perf_counter()
            await cluster.run(f"{side}.{operation.task}", variables)
            samples[side].append((time.perf_counter() - began) * 1_000)
    # The first one signs in.
    return {side: statistics.median(each[1:]) for side, each in samples.items()}
