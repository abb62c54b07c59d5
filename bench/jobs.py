"""Jobs: completed per second through the engine, against a pyzeebe worker whose handler does nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testkit.accounts import Account

from bench.distribution import Distribution, percentile
from bench.scale import JobLevel, Scale
from bench.servers import Engine, mail_store, running_engine, smtp_sink
from bench.sides import LETTER, variables_for

_LIMIT_SECONDS = 300
_LISTED_MESSAGES = 10
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_WARM_UP_JOBS = 300
_FEWEST_WAITING = 32
# What EMAIL_WORKER_MAX_JOBS is without a word: then the limit per server is its default too.
_DEFAULT_AT_ONCE = 64


@dataclass(frozen=True)
class Contender:
    """One of those compared: a process of one task, its variables, and the worker that takes its jobs."""

    name: str
    task_type: str
    variables: Mapping[str, Any]

    def command(self, engine: Engine, level: JobLevel) -> list[str]:
        """How its worker is started."""
        if self.name == "noop":
            return ["bench.noop_process", engine.address, self.task_type, str(level.jobs), str(level.at_once)]
        return ["bench.email_process", self.task_type, str(level.jobs)]


@dataclass
class Samples:
    """What several runs of one contender at one level have shown."""

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    worker_cpu: list[float] = field(default_factory=list)
    engine_cpu: list[float] = field(default_factory=list)
    returned: int = 0

    def add(self, seen: dict[str, Any], engine_cpu_seconds: float) -> None:
        """Take over one run."""
        jobs = seen["jobs"]
        self.rates.append(jobs / seen["seconds"])
        self.latencies += seen["latencies"]
        self.lags += seen["lags"]
        self.worker_cpu.append(seen["cpu_seconds"] / jobs * 1_000)
        self.engine_cpu.append(engine_cpu_seconds / jobs * 1_000)
        self.returned += seen["failed_or_returned"]

    def to_json(self) -> dict[str, Any]:
        """Rates in jobs per second, all else in milliseconds."""
        lags = self.lags or [0.0]
        return {
            "per_second": Distribution.of(self.rates).to_json(),
            "latency_p50_ms": percentile(self.latencies, 50) * 1_000,
            "latency_p99_ms": percentile(self.latencies, 99) * 1_000,
            "loop_lag_p99_ms": percentile(lags, 99) * 1_000,
            "worker_cpu_ms_per_job": Distribution.of(self.worker_cpu).median,
            "engine_cpu_ms_per_job": Distribution.of(self.engine_cpu).median,
            "returned": self.returned,
        }


async def measure(scale: Scale) -> dict[str, Any]:
    """Measure all levels."""
    with smtp_sink() as sink_port, mail_store() as store:
        account = store.account("lists", _LISTED_MESSAGES)
        contenders = [*sending(sink_port), _listing(store.dovecot.imap_port, account)]
        rows = [
            _row(level, await _compare(contenders, level, scale.job_rounds)) for level in scale.job_levels
        ]
    return {"rows": rows}


def sending(sink_port: int) -> list[Contender]:
    """A worker that does nothing, and ours, which sends; their jobs carry the same variables."""
    send = variables_for(sink_port, LETTER)
    return [Contender("noop", "bench.noop", send), Contender("send", "email.smtp.send", send)]


def _listing(imap_port: int, account: Account) -> Contender:
    mails = {"maxToBeRead": _LISTED_MESSAGES, "folder": "INBOX"}
    return Contender("list", "email.imap.list", variables_for(imap_port, mails, account=account))


async def _compare(contenders: list[Contender], level: JobLevel, rounds: int) -> dict[str, Samples]:
    samples: dict[str, Samples] = defaultdict(Samples)
    # An engine of its own for each level: it keeps in memory all that it ever did.
    async with running_engine() as engine:
        for contender in contenders:
            await engine.deploy(contender.name, contender.task_type)
        await run(engine, contenders[0], JobLevel(8, min(_WARM_UP_JOBS, level.jobs)))
        for number in range(rounds):
            for contender in contenders if number % 2 else reversed(contenders):
                seen, engine_cpu = await run(engine, contender, level)
                samples[contender.name].add(seen, engine_cpu)
    return samples


async def run(engine: Engine, contender: Contender, level: JobLevel) -> tuple[dict[str, Any], float]:
    """Let a worker do jobs of which more wait than it can take at once; give what was seen of it.

    That is what its probe saw, and the engine's CPU seconds meanwhile.
    """
    instances = engine.run_instances(
        contender.name, level.jobs, contender.variables, at_once=max(_FEWEST_WAITING, 2 * level.at_once)
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(instances)
        seen = tasks.create_task(_serve(engine, contender, level))
    return seen.result()


async def _serve(engine: Engine, contender: Contender, level: JobLevel) -> tuple[dict[str, Any], float]:
    before = _cpu_seconds(engine.pid)
    started_at = time.time()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *contender.command(engine, level),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | environment(engine, level.at_once),
    )
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    seen = json.loads(output)
    seen["seconds_from_start"] = seen["ended_at"] - started_at
    return seen, _cpu_seconds(engine.pid) - before


def environment(engine: Engine, at_once: int) -> dict[str, str]:
    """The worker's settings for so many jobs at once; 64 is its default."""
    mine = {"ZEEBE_ADDRESS": engine.address, "EMAIL_WORKER_SHUTDOWN_GRACE_SECONDS": "1"}
    if at_once == _DEFAULT_AT_ONCE:
        return mine
    return mine | {
        "EMAIL_WORKER_MAX_JOBS": str(at_once),
        "EMAIL_WORKER_MAX_JOBS_PER_SERVER": str(at_once),
    }


def _row(level: JobLevel, samples: dict[str, Samples]) -> dict[str, Any]:
    noop = Distribution.of(samples["noop"].rates)
    return {
        "at_once": level.at_once,
        "jobs": level.jobs,
        **{name: each.to_json() for name, each in samples.items()},
        "ratio": {
            name: Distribution.of(each.rates).ratio_to(noop)
            for name, each in samples.items()
            if name != "noop"
        },
    }


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
