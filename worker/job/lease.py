"""The deadline of a job at Camunda, extended for as long as the worker works on the job."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from worker.job.engine_errors import CommandRefused, GatewayUnavailable, JobGone
from worker.job.gateway import Gateway

log = structlog.get_logger(__name__)

_SHORTEST_PAUSE_SECONDS = 0.1
# Fractions of the timeout: until the deadline is extended, and until a failed extension is retried.
_USUAL_PART, _RETRY_PART = 1 / 3, 1 / 9


class Lease:
    """The time until which Camunda gives the job to no other worker (deadline extension).

    Its clock also runs while the machine is suspended.

    `age_seconds`: how long ago Camunda may have handed the job out.
    """

    def __init__(
        self, gateway: Gateway, job_key: int, timeout_seconds: float, *, age_seconds: float = 0.0
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._gateway = gateway
        self._job_key = job_key
        self._timeout_seconds = timeout_seconds
        self._expires_at = self._now() + timeout_seconds - age_seconds
        self._beat: asyncio.Task[None] | None = None

    @property
    def is_expired(self) -> bool:
        """Whether Camunda may have given the job to another worker, or has taken its outcome."""
        return self._now() >= self._expires_at

    @property
    def is_overdue(self) -> bool:
        """Whether the deadline has passed before there was an outcome."""
        return self.is_expired and self._expires_at != -math.inf

    def check(self) -> None:
        """Raise JobGone if the job may be another worker's; may be called from any thread."""
        if self.is_expired:
            raise JobGone("its timeout has passed, so another worker may have it")

    def renewed(self, *, age_seconds: float = 0.0) -> None:
        """Note that Camunda handed the job to this worker again, `age_seconds` ago."""
        self._expires_at = self._now() + self._timeout_seconds - age_seconds

    def end(self) -> None:
        """Note that the job is no longer this worker's: Camunda has the outcome, or takes none."""
        self._expires_at = -math.inf

    async def extend(self) -> None:
        """Move the deadline ahead; raises GatewayUnavailable, JobGone or CommandRefused.

        Camunda does not check which worker asks. An answer after the old deadline is ignored, because by then
        another worker may have the job. Without an answer, the earlier of both deadlines counts.
        """
        extended_until = self._now() + self._timeout_seconds
        self._expires_at = min(self._expires_at, extended_until)
        try:
            await self._gateway.extend(self._job_key, self._timeout_seconds)
        except JobGone:
            # Overdue, not ended: another worker may have failed the job meanwhile.
            self._expires_at = min(self._expires_at, self._now())
            raise
        if not self.is_expired:
            self._expires_at = extended_until

    async def retime(self, timeout_seconds: float) -> None:
        """Keep the deadline `timeout_seconds` ahead from now on; raises JobGone.

        A gateway that cannot be reached does not stop the work: the job stays until the earlier deadline.
        """
        self._timeout_seconds = timeout_seconds
        if self._beat is not None:
            self._restart_beat()
        try:
            await self.extend()
        except GatewayUnavailable as error:
            log.info("job_timeout_not_extended", job_key=self._job_key, reason=str(error))

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Extend three times within each period, until the block ends or the job is gone."""
        self._restart_beat()
        try:
            yield
        finally:
            self._stop_beat()

    def _stop_beat(self) -> None:
        if self._beat is not None:
            self._beat.cancel()

    def _restart_beat(self) -> None:
        self._stop_beat()
        self._beat = asyncio.create_task(self._beat_on(), name=f"lease of job {self._job_key}")

    async def _beat_on(self) -> None:
        part = _USUAL_PART
        while True:
            await asyncio.sleep(max(self._timeout_seconds * part, _SHORTEST_PAUSE_SECONDS))
            part = _USUAL_PART
            try:
                if not self.is_expired:  # otherwise it would be extended for another worker
                    await self.extend()
            except GatewayUnavailable:
                part = _RETRY_PART
            except (JobGone, CommandRefused) as error:
                log.warning("job_lease_lost", job_key=self._job_key, reason=str(error))
                return

    def _now(self) -> float:
        return self._loop.time() + suspended_seconds()


def suspended_seconds() -> float:
    """Return for how long the machine has been suspended since it was started, where that can be known."""
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    except AttributeError:  # not on Linux
        return 0.0
