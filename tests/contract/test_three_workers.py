"""Three workers at one engine whose answers are late or lost: each email is sent once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any, cast

import pytest
from testkit.job_bench import JOB_TIMEOUT_SECONDS, SENT, Bench
from testkit.jobs import TASK_TYPE, make_job
from testkit.scripted_gateway import ScriptedGateway
from testkit.skipping_clock import now, on_skipping_clock

from worker.errors import ConnectionFailed, ServerTimeout
from worker.job.engine_errors import GatewayUnavailable, JobGone
from worker.job.gateway import COMMAND_TIMEOUT_SECONDS, Subscription
from worker.job.job import Job
from worker.job.outcome import Completed, Failed, Outcome, Returned
from worker.mail.operation_result import OperationResult
from worker.operations.context import OperationContext

LATEST_ARRIVAL_SECONDS = 8.0
JOBS = 60


@dataclass
class Entry:
    """A job in the engine. `until`: when its timeout or its backoff ends."""

    job: Job
    state: str = "ACTIVATABLE"
    until: float = 0.0


@dataclass
class Engine:
    """Camunda's rules for a job: whose report is taken does not depend on who has the job."""

    chance: Random
    entries: dict[int, Entry] = field(default_factory=dict)
    on_their_way: set[asyncio.Task[None]] = field(default_factory=set)
    has_completed_all: asyncio.Event = field(default_factory=asyncio.Event)

    def activate(self, count: int) -> list[Job]:
        """Hand out jobs, those whose timeout or backoff has passed too."""
        self._let_time_pass()
        free = [entry for entry in self.entries.values() if entry.state == "ACTIVATABLE"][:count]
        for entry in free:
            entry.state, entry.until = "ACTIVATED", now() + JOB_TIMEOUT_SECONDS
        return [entry.job for entry in free]

    def complete(self, entry: Entry) -> None:
        self._expect(entry, "ACTIVATABLE", "ACTIVATED")
        entry.state = "COMPLETED"
        if Counter(each.state for each in self.entries.values())["COMPLETED"] == JOBS:
            self.has_completed_all.set()

    def fail(self, entry: Entry, retries: int, backoff_seconds: float) -> None:
        self._expect(entry, "ACTIVATED")
        entry.job = replace(entry.job, retries=retries)
        entry.state, entry.until = "FAILED", now() + backoff_seconds

    def extend(self, entry: Entry, seconds: float) -> None:
        self._expect(entry, "ACTIVATED")
        entry.until = now() + seconds

    async def carry(self, command: Callable[[], None], *, is_safe: bool = False) -> None:
        """Bring a command to the engine and its answer back, unless it is safe after some time or never."""
        is_late, is_lost = not is_safe and self.chance.random() < 0.25, self.chance.random() < 0.2
        arrives_after = self.chance.random() * LATEST_ARRIVAL_SECONDS if is_late else 0.002
        arrival = asyncio.create_task(self._arrive(command, arrives_after))
        self.on_their_way.add(arrival)
        arrival.add_done_callback(self.on_their_way.discard)
        arrival.add_done_callback(asyncio.Task.exception)
        if is_lost and not is_safe:
            await asyncio.sleep(COMMAND_TIMEOUT_SECONDS)
            raise GatewayUnavailable("no answer", may_be_accepted=True)
        await asyncio.shield(arrival)

    async def _arrive(self, command: Callable[[], None], after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        self._let_time_pass()
        command()

    def _let_time_pass(self) -> None:
        for entry in self.entries.values():
            if entry.state in ("ACTIVATED", "FAILED") and now() >= entry.until:
                entry.state = "ACTIVATABLE"

    def _expect(self, entry: Entry, *states: str) -> None:
        if entry.state not in states:
            raise JobGone(entry.state)


@dataclass
class OneOfThree:
    """Satisfies worker.job.gateway.Gateway for one of the workers. Only completions are safe."""

    engine: Engine

    async def activate(self, subscription: Subscription, *, max_jobs: int) -> AsyncIterator[Job]:
        ends_at = now() + subscription.poll_seconds
        while now() < ends_at:
            jobs = self.engine.activate(max_jobs) if subscription.task_type == TASK_TYPE else []
            for job in jobs:
                yield job
            if jobs:
                return
            await asyncio.sleep(0.25)

    async def report(self, job: Job, outcome: Outcome) -> None:
        entry = self.engine.entries[job.key]
        if isinstance(outcome, Completed):
            await self.engine.carry(partial(self.engine.complete, entry), is_safe=True)
            return
        assert isinstance(outcome, Failed | Returned)
        retries = outcome.retries if isinstance(outcome, Failed) else job.retries
        await self.engine.carry(partial(self.engine.fail, entry, retries, outcome.backoff_seconds))

    async def extend(self, job_key: int, timeout_seconds: float) -> None:
        await self.engine.carry(partial(self.engine.extend, self.engine.entries[job_key], timeout_seconds))

    def notify(self) -> None:
        """Nobody waits for it."""


def worker(engine: Engine, sent: Counter[str]) -> Bench:
    """Return a worker whose attempts take up to two job timeouts; a third of them fail."""
    chance = engine.chance

    async def send(_request: Any, context: OperationContext) -> OperationResult:
        await asyncio.sleep(chance.choice([0.1, 1.0, chance.random() * 40, chance.random() * 130]))
        if chance.random() < 0.35:
            raise chance.choice([ServerTimeout("Slow."), ConnectionFailed("Lost.")])
        context.may_change()
        sent[context.reference] += 1
        return SENT

    bench = Bench(gateway=cast("ScriptedGateway", OneOfThree(engine)))
    bench.handler = cast("Any", send)
    return bench


@pytest.mark.parametrize("seed", range(20))
@on_skipping_clock
async def test_no_email_is_sent_twice_and_none_is_lost(seed: int) -> None:
    engine, sent = Engine(Random(seed)), Counter[str]()
    async with AsyncExitStack() as workers:
        for _ in range(3):
            await workers.enter_async_context(worker(engine, sent).serving())
        for _ in range(JOBS):
            backoff = engine.chance.choice(["PT0S", "PT1S", "PT5S", "PT30S"])
            job = make_job(retries=50, headers={"retryBackoff": backoff})
            engine.entries[job.key] = Entry(job)
            await asyncio.sleep(engine.chance.random() * 8)
        async with asyncio.timeout(20_000):
            await engine.has_completed_all.wait()
    assert sorted(sent.values()) == [1] * JOBS
