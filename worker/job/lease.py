"""Our hold on a job: its deadline at the engine, moved ahead for as long as we work on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

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
        self._retimed = asyncio.Event()

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
        self._retimed.set()
        try:
            await self.extend()
        except GatewayUnavailable as error:
            log.info("job_timeout_not_set", job_key=self._job_key, reason=str(error))

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Extend three times within each period, until the block ends or the job is gone."""
        heartbeat = asyncio.create_task(self._beat(), name=f"lease of job {self._job_key}")
        try:
            yield
        finally:
            heartbeat.cancel()

    async def _beat(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(self._timeout_seconds / 3, _SHORTEST_PAUSE_SECONDS)):
                    await self._retimed.wait()
            if self._retimed.is_set():
                self._retimed.clear()
                continue
            try:
                await self.extend()
            except GatewayUnavailable:
                continue
            except (JobGone, CommandRefused) as error:
                log.warning("job_lease_lost", job_key=self._job_key, reason=str(error))
                return

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
