"""Cold: how long `email-worker --version` takes, and how long it is from the start to the first job's end."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from bench.distribution import Distribution
from bench.jobs import run, sending
from bench.scale import JobLevel, Scale
from bench.servers import running_engine, smtp_sink


async def measure(scale: Scale) -> dict[str, Any]:
    """Measure both, by turns with a bare interpreter and with a worker that does nothing."""
    version, bare = [], []
    for _ in range(scale.cold_rounds + 1):
        bare.append(await _milliseconds("-c", "pass"))
        version.append(await _milliseconds("-m", "worker", "--version"))
    return {
        "version": _row(Distribution.of(version[1:]), Distribution.of(bare[1:])),
        "first_job": await _first_job(scale),
    }


async def _first_job(scale: Scale) -> dict[str, Any]:
    times: dict[str, list[float]] = {"noop": [], "send": []}
    with smtp_sink() as port:
        contenders = sending(port)
        async with running_engine() as engine:
            for contender in contenders:
                await engine.deploy(contender.name, contender.task_type)
            for _ in range(scale.cold_rounds + 1):
                for contender in contenders:
                    seen, _ = await run(engine, contender, JobLevel(64, 1))
                    times[contender.name].append(seen["seconds_from_start"] * 1_000)
    return _row(Distribution.of(times["send"][1:]), Distribution.of(times["noop"][1:]))


def _row(worker: Distribution, bare: Distribution) -> dict[str, Any]:
    return {"worker_ms": worker.to_json(), "bare_ms": bare.to_json(), "ratio": worker.ratio_to(bare)}


async def _milliseconds(*arguments: str) -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    await process.wait()
    return (time.perf_counter() - began) * 1_000
