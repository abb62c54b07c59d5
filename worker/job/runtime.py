"""Activates jobs of all job types, up to a maximum, until told to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from worker.event_loop import background
from worker.job.assignment import Interpret
from worker.job.engine_errors import EngineError, GatewayUnavailable
from worker.job.gateway import Gateway, Subscription
from worker.job.job import Job
from worker.job.lease import Lease
from worker.job.outcome import Failed, Outcome
from worker.job.pipeline import Pipeline
from worker.job.pulse import Pulse

log = structlog.get_logger(__name__)

_PROBE_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 30.0
# Between requests to a gateway that answers immediately that there is no job: its long polling may be
# switched off, and the embedded engine has none.
_FIRST_IDLE_SECONDS = 0.01
_LONGEST_IDLE_SECONDS = 0.25
# An activation costs Camunda nearly as much as a job: if only few jobs may come, the worker asks a moment
# later for more of them together.
_FEW = 0.5
_GATHERING_SECONDS = 0.005
# How long returning the jobs may take after the grace period.
_FAREWELL_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Served:
    """A job type: how the variables of its jobs are read, and how to ask Camunda for them."""

    interpret: Interpret
    subscription: Subscription


@dataclass(slots=True)
class _Running:
    """A running job and its lease."""

    job: Job
    task: asyncio.Task[Outcome]
    lease: Lease


class Connection:
    """Whether the gateway answers; logs once when it stops and once when it answers again.

    `last_answer_at`: monotonic seconds. `lost_because`: the last error, until it answers.
    """

    def __init__(self) -> None:
        self.last_answer_at: float | None = None
        self.lost_because: str | None = None
        self._lost_at: float | None = None

    def answered(self, asked_at: float) -> None:
        """Note an answer of the gateway to what was asked at `asked_at` (monotonic seconds)."""
        now = time.monotonic()
        if self._lost_at is not None:
            if asked_at < self._lost_at:
                # A long poll from before the loss: it does not show that the gateway is available again.
                return
            log.info("gateway_reconnected", away_seconds=round(now - self._lost_at, 1))
        elif self.last_answer_at is None:
            log.info("gateway_reached")
        self._lost_at = self.lost_because = None
        self.last_answer_at = now

    async def probe(self, ask: Callable[[], Awaitable[object]]) -> None:
        """Ask the gateway every few seconds, without end: a long poll would take half a minute to tell.

        A missing answer is ignored: the polls notice it themselves, and a client may lack the permission to
        ask.
        """
        while True:
            asked_at = time.monotonic()
            with suppress(EngineError):
                await ask()
                self.answered(asked_at)
            await asyncio.sleep(_PROBE_SECONDS)

    def failed(self, error: GatewayUnavailable) -> None:
        """Note that the gateway did not answer, or refused."""
        self.lost_because = str(error)
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            log.warning("gateway_unreachable", reason=str(error))


class Runtime:
    """Polls for each job type while jobs may run, and runs each job in a separate asyncio task."""

    def __init__(self, gateway: Gateway, pipeline: Pipeline, served: Sequence[Served]) -> None:
        self._gateway = gateway
        self._pipeline = pipeline
        self._served = served
        self._running: dict[int, _Running] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self._has_capacity = asyncio.Event()
        self._has_capacity.set()
        self.admission = pipeline.admission
        self.max_jobs = self.admission.max_jobs
        self.admission.on_place_left = self._note_capacity
        self._pollers: list[asyncio.Task[None]] = []
        self.connection = Connection()
        self.is_stopping = False

    @property
    def running_jobs(self) -> int:
        """How many jobs are running."""
        return len(self._running)

    @property
    def is_polling(self) -> bool:
        """Whether the worker asks Camunda for jobs of every job type."""
        return bool(self._pollers) and not any(poller.done() for poller in self._pollers)

    async def run(self, stop: asyncio.Event, *, grace_seconds: float) -> None:
        """Serve until `stop`; then let running jobs continue for `grace_seconds` and return the rest."""
        self._pulse = Pulse()
        self._pollers = pollers = [
            asyncio.create_task(self._poll(served), name=f"poll {served.subscription.task_type}")
            for served in self._served
        ]
        stopped = asyncio.create_task(stop.wait())
        try:
            async with background(self._pulse.beat_on(), "pulse"):
                # A poller never ends by itself: if one does, its error must end the worker, not be lost.
                await asyncio.wait([stopped, *pollers], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.is_stopping = True
            stopped.cancel()
            for poller in pollers:
                poller.cancel()
            ended = await asyncio.gather(*pollers, return_exceptions=True)
            await self._drain(grace_seconds)
        for result in ended:
            if isinstance(result, Exception):
                raise result

    async def _poll(self, served: Served) -> None:
        pause_seconds, idle_seconds = _FIRST_PAUSE_SECONDS, _FIRST_IDLE_SECONDS
        while True:
            free, asked_at = await self._wait_for_capacity(), time.monotonic()
            try:
                has_waited = await self._ask(served, free)
            except GatewayUnavailable as error:
                self.connection.failed(error)
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
            else:
                self.connection.answered(asked_at)
                pause_seconds = _FIRST_PAUSE_SECONDS
                if has_waited:
                    idle_seconds = _FIRST_IDLE_SECONDS
                else:
                    await asyncio.sleep(idle_seconds)
                    idle_seconds = min(idle_seconds * 2, _LONGEST_IDLE_SECONDS)

    async def _ask(self, served: Served, free: int) -> bool:
        """Start the jobs that the gateway has or gets; tell whether it had any, or waited for one."""
        loop = asyncio.get_running_loop()
        asked_at, has_jobs = loop.time(), False
        async for job in self._gateway.activate(served.subscription, max_jobs=free):
            has_jobs = True
            self._accept(job, served, self._pulse.age_seconds(asked_at))
        return has_jobs or loop.time() >= asked_at + served.subscription.poll_seconds / 2

    async def _wait_for_capacity(self) -> int:
        """Wait until the worker has capacity, then a moment for more; return the number of free places."""
        has_gathered = False
        while True:
            free = self._free_places()
            if free >= self.max_jobs * _FEW or (free > 0 and has_gathered):
                return free
            if free > 0:
                await asyncio.sleep(_GATHERING_SECONDS)
                has_gathered = True
            else:
                # Another poller may have taken it, or a job that was waiting has got a place.
                self._has_capacity.clear()
                await self._has_capacity.wait()

    def _free_places(self) -> int:
        """Return how many more jobs may start."""
        return self.max_jobs - len(self._running) + self.admission.without_place

    def _accept(self, job: Job, served: Served, age_seconds: float) -> None:
        timeout_seconds = served.subscription.job_timeout_seconds
        lease = Lease(self._gateway, job.key, timeout_seconds, age_seconds=age_seconds)
        running = self._running.get(job.key)
        if running is None:
            self._start(job, served, lease)
            return
        # Camunda handed the job out again: its deadline passed while it could not be extended, or the outcome
        # of the run is just being reported.
        log.info("job_already_running", job_key=job.key)
        is_same = (job.retries, job.variables) == (running.job.retries, running.job.variables)
        # If not, another worker has failed it meanwhile: the run must not go on, as that one may have reached
        # recipients.
        if is_same or not running.lease.is_overdue:
            running.lease.renewed(age_seconds=age_seconds)
        successor = asyncio.create_task(self._succeed(running, job, served, lease))
        self._waiting.add(successor)
        successor.add_done_callback(self._waiting.discard)

    async def _succeed(self, running: _Running, job: Job, served: Served, lease: Lease) -> None:
        """Run the job again after the first run, unless the outcome of that run was for this activation.

        Camunda cannot be asked: it would say yes for a job that another worker has by now.
        """
        await asyncio.wait([running.task])
        if job.key in self._running:
            return
        if not running.lease.is_expired:
            self._start(job, served, running.lease)
        elif _is_after(running.task.result(), job):
            self._start(job, served, lease)

    def _start(self, job: Job, served: Served, lease: Lease) -> None:
        task = asyncio.create_task(self._pipeline.run(job, served.interpret, lease), name=f"job {job.key}")
        self._running[job.key] = _Running(job, task, lease)
        task.add_done_callback(lambda ended: self._ended(job.key, ended))
        self._note_capacity()

    def _ended(self, job_key: int, task: asyncio.Task[Outcome]) -> None:
        del self._running[job_key]
        self._note_capacity()
        if not task.cancelled() and task.exception() is not None:
            log.error("job_crashed", job_key=job_key, exc_info=task.exception())

    def _note_capacity(self) -> None:
        if self._free_places() > 0:
            self._has_capacity.set()
        else:
            self._has_capacity.clear()

    async def _drain(self, grace_seconds: float) -> None:
        tasks = [running.task for running in self._running.values()]
        log.info("worker_stopping", running_jobs=len(tasks))
        for waiting in self._waiting:
            waiting.cancel()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace_seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_FAREWELL_SECONDS)


def _is_after(outcome: Outcome, job: Job) -> bool:
    """Tell whether `job` was handed out after this outcome of it, and because of it."""
    return isinstance(outcome, Failed) and outcome.retries == job.retries
