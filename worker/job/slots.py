"""How many jobs one mail server may hold, so that a slow one does not take the whole worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_SHORTEST_BACKOFF_SECONDS = 0.1
_LONGEST_BACKOFF_SECONDS = 30.0
# How much the newest duration weighs in the mean of a server's durations.
_WEIGHT = 0.2


@dataclass(slots=True)
class _Server:
    started_at: deque[float] = field(default_factory=deque)
    mean_seconds: float = 0.0
    sent_back: int = 0


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
            server.sent_back = 0
            server.mean_seconds += _WEIGHT * (self._clock() - started_at - server.mean_seconds)
            if not server.started_at:
                del self._servers[name]

    def _backoff_seconds(self, server: _Server) -> float:
        """Jobs that are sent back in a row come back one slot's time apart, not all at once."""
        server.sent_back += 1
        held_seconds = max(server.mean_seconds, self._clock() - server.started_at[0])
        expected = held_seconds * (1 + server.sent_back / self._limit)
        return min(max(expected, _SHORTEST_BACKOFF_SECONDS), _LONGEST_BACKOFF_SECONDS)
