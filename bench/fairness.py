"""Fairness: how fast jobs for one server are done while another server answers after 30 s."""

from __future__ import annotations

from typing import Any

from bench.distribution import Distribution
from bench.jobs import Contender, run, sending
from bench.scale import JobLevel, Scale
from bench.servers import own_sink, running_engine, smtp_sink
from bench.sides import LETTER, variables_for

_SLOW_SECONDS = 30


async def measure(scale: Scale) -> dict[str, Any]:
    """Measure by turns beside the slow server's jobs, which are the older ones, and as many of nobody's.

    Every instance that waits costs the embedded engine time for each job, whatever the worker does.
    """
    alone: list[float] = []
    beside: list[float] = []
    level = JobLevel(64, scale.fair_jobs)
    with smtp_sink() as port, own_sink("--verdict-seconds", str(_SLOW_SECONDS)) as slow_port:
        noop, fast = sending(port)
        slow = Contender("slow", fast.task_type, variables_for(slow_port, LETTER))
        parked = Contender("parked", "bench.parked", fast.variables)
        for _ in range(scale.fair_rounds):
            for others, rates in ((parked, alone), (slow, beside)):
                # An engine of its own each time: the slow jobs would be in the next round's way.
                async with running_engine() as engine:
                    for contender in (noop, fast, others):
                        await engine.deploy(contender.name, contender.task_type)
                    await run(engine, noop, JobLevel(8, min(300, scale.fair_jobs)))
                    await engine.start_instances(others.name, scale.slow_jobs, others.variables)
                    seen, _ = await run(engine, fast, level)
                    rates.append(seen["jobs"] / seen["seconds"])
    ours, base = Distribution.of(beside), Distribution.of(alone)
    return {
        "fast_jobs": level.jobs,
        "slow_jobs": scale.slow_jobs,
        "slow_seconds": _SLOW_SECONDS,
        "alone_per_second": base.to_json(),
        "beside_per_second": ours.to_json(),
        "ratio": ours.ratio_to(base),
    }
