"""Notices that the whole process was paused: stopped by a signal, or on a suspended machine."""

from __future__ import annotations

import asyncio

from worker.job.lease import suspended_seconds

_BEAT_SECONDS = 0.25
# Less than this is a busy event loop.
_STANDSTILL_SECONDS = 0.5


class Pulse:
    """Ticks while the event loop runs, so that a pause of the process is noticed afterwards.

    A reply that arrived meanwhile may be as old as the pause: its jobs may belong to another worker by now.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._beat_at = self._now()
        self._stood_still_from = self._stood_still_until = self._beat_at

    def age_seconds(self, asked_at: float) -> float:
        """Return how old a reply that just arrived may be; it was requested at `asked_at` (loop time)."""
        self._beat()
        if self._stood_still_until < asked_at:
            return 0.0
        return self._now() - self._stood_still_from

    def _beat(self) -> None:
        now = self._now()
        if now - self._beat_at > _BEAT_SECONDS + _STANDSTILL_SECONDS:
            self._stood_still_from, self._stood_still_until = self._beat_at, self._loop.time()
        self._beat_at = now

    async def beat_on(self) -> None:
        """Beat without end."""
        while True:
            self._beat()
            await asyncio.sleep(_BEAT_SECONDS)

    def _now(self) -> float:
        return self._loop.time() + suspended_seconds()
