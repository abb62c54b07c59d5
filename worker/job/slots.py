"""How many jobs one mail server may hold, so that a slow one does not take the whole worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_SHORTEST_BACKOFF_SECONDS = 0.1
_LONGEST_BACKOFF_SECONDS = 30.0
# A server that has not ended any job yet may take many times what it has taken already. Asking early costs
# the engine, and so everybody else, as much as a job.
_FACTOR_OF_THE_UNKNOWN = 10
# Up to here nobody can tell a slow server from a quick one that is being signed in to.
_BEGINNING_SECONDS = 0.5
# How much the newest duration weighs in the mean of a server's durations.
_WEIGHT = 0.2


@dataclass(slots=True)
class _Server:
    started_at: deque[float] = field(default_factory=deque)
    mean_seconds: float = 0.0
    # When the job that was sent back last is to come again.
    last_turn_at: float = 0.0


class ServerFull(Exception):
    """All slots of the server are taken; `backoff_seconds` is when one should be free."""

    def __init__(self, backoff_seconds: float) -> None:
        super().__init__()
        self.backoff_seconds = backoff_seconds


class ServerSlots:
    """Counts the jobs at each mail server (`host:port`)."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._servers: dict[str, _Server] = {}

    @contextmanager
    def slot(self, name: str) -> Iterator[None]:
        """Hold a slot of server `name`; raises ServerFull at once where there is none."""
        server = self._servers.setdefault(name, _Server())
        if len(server.started_at) >= self._limit:
            raise ServerFull(self._backoff_seconds(server))
        started_at = self._clock()
        server.started_at.append(started_at)
        try:
            yield
        finally:
            server.started_at.remove(started_at)
            self._learn(server, self._clock() - started_at)
            if not server.started_at:
                del self._servers[name]

    def _learn(self, server: _Server, seconds: float) -> None:
        if server.mean_seconds:
            server.mean_seconds += _WEIGHT * (seconds - server.mean_seconds)
        else:
            server.mean_seconds = seconds
            # What was expected before anything was known does not count any more.
            server.last_turn_at = 0.0

    def _backoff_seconds(self, server: _Server) -> float:
        """Jobs that are sent back come again one after another, as slots should become free."""
        now = self._clock()
        held_seconds = max(server.mean_seconds, now - server.started_at[0])
        if not server.mean_seconds:
            if held_seconds < _BEGINNING_SECONDS:
                return _BEGINNING_SECONDS
            held_seconds *= _FACTOR_OF_THE_UNKNOWN
        turn_at = max(server.last_turn_at, now + held_seconds) + held_seconds / self._limit
        # A server that has become quick again must not be kept waiting by what was expected of it.
        server.last_turn_at = min(turn_at, now + _LONGEST_BACKOFF_SECONDS)
        return max(server.last_turn_at - now, _SHORTEST_BACKOFF_SECONDS)
