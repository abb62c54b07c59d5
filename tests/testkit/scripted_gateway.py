"""A gateway that follows a script: it refuses, is away, hangs, loses its answer, or hands a job out again."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from testkit.skipping_clock import now
from worker.job.engine_errors import GatewayUnavailable, JobGone
from worker.job.gateway import Subscription
from worker.job.job import Job
from worker.job.outcome import BpmnError, Completed, Failed, Outcome, Returned

_COMMAND_TIMEOUT_SECONDS = 10.0
_LATENCY_SECONDS = 0.001


@dataclass(frozen=True)
class Command:
    """What the worker said about a job, and when."""

    name: str
    job_key: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    at: float = field(default_factory=now, compare=False)


class Fault(Enum):
    """What may happen to a command besides an exception."""

    HANGS = "no answer comes, until the adapter gives up"
    ANSWER_LOST = "the engine takes it, but we do not hear of it"


class ScriptedGateway:
    """Satisfies worker.job.gateway.Gateway.

    `tried` holds every command that ends a job, `taken` those of them that the engine took.
    """

    def __init__(self) -> None:
        self.tried: list[Command] = []
        self.taken: list[Command] = []
        self.extended: list[Command] = []
        self.polls: list[tuple[str, int, float]] = []
        self._jobs: dict[str, deque[Job]] = defaultdict(deque)
        self._faults: dict[str, deque[Exception | Fault | None]] = defaultdict(deque)
        self._lasting: dict[str, Exception | Fault] = {}
        self._changed = asyncio.Event()

    def offer(self, *jobs: Job) -> None:
        """Hand out `jobs` to the next polls of their types; the same one may be offered again."""
        for job in jobs:
            self._jobs[job.type].append(job)
        self.notify()

    def script(self, name: str, *faults: Exception | Fault | None) -> None:
        """Let the next calls of `name` (complete, fail, extend, activate) end in `faults`; None: well."""
        self._faults[name].extend(faults)

    def always(self, name: str, fault: Exception | Fault | None) -> None:
        """Let every call of `name` end in `fault` from now on; None ends that."""
        self._lasting.pop(name, None)
        if fault is not None:
            self._lasting[name] = fault

    def go_away(self) -> None:
        """Be unavailable for everything until `come_back`."""
        for name in ("activate", "complete", "fail", "extend"):
            self.always(name, GatewayUnavailable("UNAVAILABLE: connection refused"))

    def come_back(self) -> None:
        """Be well again."""
        self._lasting.clear()

    async def until(self, is_so: Callable[[], bool], *, within_seconds: float = 100_000) -> None:
        """Wait until `is_so`, asked whenever the worker has said or asked for something."""
        async with asyncio.timeout(within_seconds):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def until_taken(self, count: int) -> list[Command]:
        """Wait until the engine has taken `count` commands that end jobs."""
        await self.until(lambda: len(self.taken) >= count)
        return self.taken

    async def activate(self, subscription: Subscription, *, max_jobs: int) -> AsyncIterator[Job]:
        assert max_jobs >= 1, "the engine refuses a request for no jobs"
        self.polls.append((subscription.task_type, max_jobs, now()))
        self.notify()
        await self._suffer("activate")
        queue = self._jobs[subscription.task_type]
        try:
            await self.until(lambda: bool(queue), within_seconds=subscription.poll_seconds)
        except TimeoutError:
            return
        for _ in range(min(max_jobs, len(queue))):
            yield queue.popleft()

    async def report(self, job: Job, outcome: Outcome) -> None:
        fields: dict[str, Any] = {"variables": outcome.variables}
        match outcome:
            case Completed():
                await self._take(Command("complete", job.key, fields))
            case BpmnError():
                fields |= {"error_code": outcome.code, "message": outcome.message}
                await self._take(Command("throw_error", job.key, fields))
            case Failed() | Returned():
                fields |= {
                    "retries": job.retries if isinstance(outcome, Returned) else outcome.retries,
                    "message": outcome.message,
                    "backoff_seconds": outcome.backoff_seconds,
                }
                await self._take(Command("fail", job.key, fields))

    async def extend(self, job_key: int, timeout_seconds: float) -> None:
        await self._suffer("extend")
        if any(command.name == "complete" and command.job_key == job_key for command in self.taken):
            raise JobGone("NOT_FOUND: the job is completed")
        self.extended.append(Command("extend", job_key, {"timeout_seconds": timeout_seconds}))
        self.notify()

    async def _take(self, command: Command) -> None:
        self.tried.append(command)
        self.notify()
        if await self._suffer(command.name) is Fault.ANSWER_LOST:
            self.taken.append(command)
            self.notify()
            raise GatewayUnavailable("DEADLINE_EXCEEDED: the answer is lost", may_be_accepted=True)
        self.taken.append(command)
        self.notify()

    async def _suffer(self, name: str) -> Fault | None:
        # The network takes its time, and others have their turn meanwhile.
        await asyncio.sleep(_LATENCY_SECONDS)
        faults = self._faults[name]
        fault = faults.popleft() if faults else self._lasting.get(name)
        if isinstance(fault, Exception):
            raise fault
        if fault is Fault.HANGS:
            await asyncio.sleep(_COMMAND_TIMEOUT_SECONDS)
            raise GatewayUnavailable("no answer in time", may_be_accepted=True)
        return fault

    def notify(self) -> None:
        """Let those who wait in `until` look again."""
        self._changed.set()
