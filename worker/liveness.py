"""Whether the worker is alive and ready to serve, and if not, why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from worker.job.runtime import Runtime

_BEAT_SECONDS = 1.0
# Longer than any single step of the loop, shorter than what a job's lease tolerates.
_DEADLY_LAG_SECONDS = 10.0


class Heartbeat:
    """Measures how late the event loop is: it should beat once a second.

    A blocked loop answers no probe; one that is free again after a long block would answer immediately, as if
    nothing had happened. So the lag of the latest beat counts until the next.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._latest_lag = 0.0
        self._due_at = clock() + _BEAT_SECONDS

    @property
    def lag_seconds(self) -> float:
        """How late the latest beat was, or the one is that should have been."""
        return max(self._latest_lag, self._clock() - self._due_at, 0.0)

    def beat(self) -> None:
        """Note that the loop is running."""
        now = self._clock()
        self._latest_lag = max(now - self._due_at, 0.0)
        self._due_at = now + _BEAT_SECONDS

    async def beat_on(self) -> None:
        """Beat without end."""
        self._due_at = self._clock()
        while True:
            self.beat()
            await asyncio.sleep(_BEAT_SECONDS)


class Liveness:
    """Whether one worker is alive and ready. `max_silence_seconds`: longest silence of the gateway."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        max_silence_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.heartbeat = Heartbeat(clock)
        self.runtime = runtime
        self._max_silence_seconds = max_silence_seconds
        self._clock = clock

    def why_not_alive(self) -> list[str]:
        """Return the reasons for a restart; empty if there are none."""
        lag_seconds = self.heartbeat.lag_seconds
        if lag_seconds < _DEADLY_LAG_SECONDS:
            return []
        return [f"The event loop was blocked for {lag_seconds:.0f} seconds."]

    def why_not_ready(self) -> list[str]:
        """Return what keeps the worker from taking jobs; empty if it takes them."""
        runtime = self.runtime
        if runtime.is_stopping:
            count = runtime.running_jobs
            jobs = "1 job is" if count == 1 else f"{count} jobs are"
            return [f"The worker is stopping; {jobs} running."]
        reasons = [] if runtime.is_polling else ["The worker does not ask Camunda for jobs."]
        unconnected = self.why_not_connected()
        return [*reasons, unconnected] if unconnected else reasons

    def why_not_connected(self) -> str | None:
        """Return why the gateway is taken for lost; None if it answers."""
        connection = self.runtime.connection
        if connection.lost_because is not None:
            return f"The gateway does not answer: {connection.lost_because}."
        if connection.last_answer_at is None:
            return "The gateway has not answered yet."
        silent_seconds = self._clock() - connection.last_answer_at
        if silent_seconds > self._max_silence_seconds:
            return f"The gateway has not answered for {silent_seconds:.0f} seconds."
        return None
