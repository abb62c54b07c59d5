"""Our hold on a job: its deadline at the engine, moved ahead for as long as we work on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from worker.errors import CommandRefused, GatewayUnavailable, JobGone
from worker.job.gateway import Gateway

log = structlog.get_logger(__name__)

_SHORTEST_PAUSE_SECONDS = 0.1


class Lease:
    """Until when the engine keeps the job for us, on the event loop's clock."""

    def __init__(self, gateway: Gateway, job_key: int, timeout_seconds: float) -> None:
        self._gateway = gateway
        self._job_key = job_key
        self._timeout_seconds = timeout_seconds
        self._expires_at = self._now() + timeout_seconds
        # A timer and not a task: nearly all jobs end before it is due.
        self._due: asyncio.TimerHandle | None = None
        self._beat: asyncio.Task[None] | None = None

    @property
    def is_expired(self) -> bool:
        """Whether the engine may have given the job to somebody else."""
        return self._now() >= self._expires_at

    def renewed(self) -> None:
        """Note that the engine has just given us the job (again)."""
        self._expires_at = self._now() + self._timeout_seconds

    async def extend(self) -> None:
        """Move the deadline ahead; raises GatewayUnavailable, JobGone or CommandRefused."""
        asked_at = self._now()
        await self._gateway.extend(self._job_key, self._timeout_seconds)
        self._expires_at = asked_at + self._timeout_seconds

    async def retime(self, timeout_seconds: float) -> None:
        """Keep the deadline `timeout_seconds` ahead from now on; raises JobGone where the job is not ours.

        A gateway that cannot be reached does not stop the work: the job is ours until its old deadline.
        """
        self._timeout_seconds = timeout_seconds
        if self._due is not None:
            self._wait()
        try:
            await self.extend()
        except GatewayUnavailable as error:
            log.info("job_timeout_not_set", job_key=self._job_key, reason=str(error))

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Extend three times within each period, until the block ends or the job is gone."""
        self._wait()
        try:
            yield
        finally:
            if self._due is not None:
                self._due.cancel()
            if self._beat is not None:
                self._beat.cancel()

    def _wait(self) -> None:
        if self._due is not None:
            self._due.cancel()
        pause_seconds = max(self._timeout_seconds / 3, _SHORTEST_PAUSE_SECONDS)
        self._due = asyncio.get_running_loop().call_later(pause_seconds, self._begin_beat)

    def _begin_beat(self) -> None:
        self._beat = asyncio.create_task(self._extend_and_wait(), name=f"lease of job {self._job_key}")

    async def _extend_and_wait(self) -> None:
        try:
            await self.extend()
        except GatewayUnavailable:
            pass
        except (JobGone, CommandRefused) as error:
            log.warning("job_lease_lost", job_key=self._job_key, reason=str(error))
            return
        self._wait()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
