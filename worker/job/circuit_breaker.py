"""Circuit breaker for each mail server: a server that does not answer gets one job at a time."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from worker.errors import (
    ConnectionFailed,
    EmailError,
    SendOutcomeUnknown,
    ServerTimeout,
    TokenEndpointUnavailable,
)

_KEPT_SERVERS = 10_000
# A server that answered within this time gets as many jobs as its limit allows, all others one at a time.
_FRESH_SECONDS = 10.0
# A server that answers none of its jobs for this long, and for several times its usual duration, is silent.
_SILENT_SECONDS = 2.0
_SILENT_TIMES_USUAL = 4
# How long a job may wait in the worker for the first answer of its server, or for its turn there.
_PATIENCE_SECONDS = 2.0
# Consecutive lost or refused connections that open the circuit. A single timeout also opens it.
_REFUSALS = 3
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
# Returned jobs stay away for one to two times the time that their server has not answered. Camunda hands out
# the oldest jobs first, so the number that comes back in a second must be small.
_SHORTEST_ABSENCE_SECONDS = 4.0
_LONGEST_ABSENCE_SECONDS = 30.0
_ABSENCE_SECONDS_BY_JOB = 0.05
_MOST_ABSENCE_SECONDS = 300.0
# How the jobs that are returned together are spread over that time.
_SPREAD = 0.618
_SHORTEST_BACKOFF_SECONDS = 0.1
# How much the newest duration weighs in the mean of a server's durations.
_WEIGHT = 0.2


class Attempt(Enum):
    """What a job has shown about its mail server."""

    ANSWERED = auto()
    TIMED_OUT = auto()
    NOT_CONNECTED = auto()
    SHOWED_NOTHING = auto()

    @classmethod
    def of(cls, error: EmailError) -> Attempt:
        """Return what an error of the job shows."""
        if isinstance(error, ServerTimeout | SendOutcomeUnknown):
            return cls.TIMED_OUT
        is_unavailable = isinstance(error, ConnectionFailed | TokenEndpointUnavailable)
        return cls.NOT_CONNECTED if is_unavailable else cls.ANSWERED


class Change(Enum):
    """What an attempt has changed."""

    OPENED = auto()
    CLOSED = auto()


@dataclass(slots=True)
class _Server:
    running: int = 0
    # When the first of the jobs that are running began, or the first after a time without any.
    busy_since: float = 0.0
    # When the last job began.
    begun_at: float = 0.0
    answered_at: float | None = None
    mean_seconds: float = 0.0
    failures: int = 0
    # Since when there has been work and no answer.
    unanswered_since: float | None = None
    opened_at: float | None = None
    probe_at: float = 0.0
    pause_seconds: float = 0.0
    is_on_trial: bool = False
    last_turn_at: float = 0.0


class CircuitBreaker:
    """Decides by server name (`host:port`) whether a job may begin, should wait a moment, or is returned.

    A server that has answered lately gets up to `limit` jobs at a time. Any other server gets one at a time
    (see also `may_try`); if its circuit is open, with a growing pause between them. At most `max_trials`
    servers that have never answered, or not since their circuit opened, are tried at the same time.
    """

    def __init__(self, *, limit: int, max_trials: int, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._max_trials = max_trials
        self._clock = clock
        self._trials = 0
        self._returned = 0
        # When the jobs that have been returned are due again.
        self._back_at: list[float] = []
        self._servers: OrderedDict[str, _Server] = OrderedDict()

    @property
    def open_circuits(self) -> int:
        """How many servers do not answer."""
        return sum(server.opened_at is not None for server in self._servers.values())

    def may_begin(self, name: str) -> bool:
        """Tell whether a job may begin at this server now."""
        server = self._known(name)
        if server.running >= self._limit:
            return False
        if self._is_fresh(server):
            return True
        if server.running or (server.opened_at is not None and self._clock() < server.probe_at):
            return False
        return self._is_trusted(server) or self._trials < self._max_trials

    def has_answered(self, name: str) -> bool:
        """Tell whether the server has ever answered, as far as is remembered."""
        return self._known(name).answered_at is not None

    def may_try(self, name: str) -> bool:
        """Tell whether a silent server gets one job more: each time its silence has doubled.

        Perhaps only its running jobs take long, such as a large email or search.
        """
        server = self._known(name)
        if server.opened_at is not None:
            return False
        silent_seconds, last = self._clock() - server.busy_since, server.begun_at - server.busy_since
        return self._is_silent(server) and silent_seconds >= 2 * last

    def begin(self, name: str) -> None:
        """Note that a job begins."""
        server, now = self._known(name), self._clock()
        if not server.running:
            server.busy_since = now
            if not self._is_trusted(server):
                server.is_on_trial = True
                self._trials += 1
        server.running += 1
        server.begun_at = now
        if server.unanswered_since is None:
            server.unanswered_since = now

    def end(self, name: str, attempt: Attempt, began_at: float) -> Change | None:
        """Note what a job that began at `began_at` has shown, and return what this changes."""
        server, now = self._known(name), self._clock()
        server.running -= 1
        if server.is_on_trial:
            server.is_on_trial = False
            self._trials -= 1
        if attempt is Attempt.ANSWERED:
            self._learn(server, now - began_at)
            return self.answered(name)
        has_answered_others = server.answered_at is not None and server.answered_at >= began_at
        if attempt is Attempt.SHOWED_NOTHING or has_answered_others:
            if not (server.running or server.failures):
                server.unanswered_since = None
            return None
        return self._failed(server, _REFUSALS if attempt is Attempt.TIMED_OUT else 1)

    def answered(self, name: str) -> Change | None:
        """Note that the server has answered, and return what this changes."""
        server, now = self._known(name), self._clock()
        was_open, server.opened_at = server.opened_at is not None, None
        server.answered_at = server.busy_since = now
        server.unanswered_since = now if server.running else None
        server.failures, server.pause_seconds = 0, 0.0
        return Change.CLOSED if was_open else None

    def may_wait(self, name: str, *, ahead: int, is_crowded: bool) -> bool:
        """Tell whether a job that may not begin now may continue to wait.

        `ahead`: how many wait for this server already. `is_crowded`: many wait for others too.
        """
        server, now = self._known(name), self._clock()
        if self._is_fresh(server):
            return server.mean_seconds * (ahead + 1) / self._limit <= _PATIENCE_SECONDS
        is_first_answer_due = server.opened_at is None and server.running > 0 and not is_crowded
        return is_first_answer_due and now - server.busy_since <= _PATIENCE_SECONDS

    def backoff_seconds(self, name: str) -> float:
        """Return how long a job that is returned now should stay away."""
        server, now = self._known(name), self._clock()
        if self._is_fresh(server):
            turn_seconds = server.mean_seconds / self._limit
            server.last_turn_at = max(server.last_turn_at, now + server.mean_seconds) + turn_seconds
            server.last_turn_at = min(server.last_turn_at, now + _LONGEST_ABSENCE_SECONDS)
            return max(server.last_turn_at - now, _SHORTEST_BACKOFF_SECONDS)
        if server.unanswered_since is None:
            server.unanswered_since = now
        self._returned += 1
        unanswered_seconds = max(now - server.unanswered_since, _SHORTEST_ABSENCE_SECONDS)
        absence_seconds = max(
            min(unanswered_seconds, _LONGEST_ABSENCE_SECONDS),
            min(self._count_away(now) * _ABSENCE_SECONDS_BY_JOB, _MOST_ABSENCE_SECONDS),
        ) * (1 + self._returned * _SPREAD % 1)
        heapq.heappush(self._back_at, now + absence_seconds)
        return absence_seconds

    def _count_away(self, now: float) -> int:
        """Return how many jobs have been returned and are not due yet."""
        while self._back_at and self._back_at[0] <= now:
            heapq.heappop(self._back_at)
        return len(self._back_at)

    def is_silent(self, name: str) -> bool:
        """Tell whether the server answers none of its running jobs."""
        return self._is_silent(self._known(name))

    def is_fresh(self, name: str) -> bool:
        """Tell whether the server has answered lately."""
        return self._is_fresh(self._known(name))

    def _known(self, name: str) -> _Server:
        server = self._servers.get(name)
        if server is None:
            server = self._servers[name] = _Server()
            self._forget_some()
        return server

    def _forget_some(self) -> None:
        if len(self._servers) > _KEPT_SERVERS:
            idle = [name for name, server in self._servers.items() if not server.running]
            for name in idle[: _KEPT_SERVERS // 10]:
                del self._servers[name]

    def _is_trusted(self, server: _Server) -> bool:
        return server.answered_at is not None and server.opened_at is None

    def _is_silent(self, server: _Server) -> bool:
        patience_seconds = max(_SILENT_SECONDS, server.mean_seconds * _SILENT_TIMES_USUAL)
        return server.running > 0 and self._clock() - server.busy_since > patience_seconds

    def _is_fresh(self, server: _Server) -> bool:
        if server.answered_at is None or server.opened_at is not None:
            return False
        return self._clock() - server.answered_at <= _FRESH_SECONDS and not self._is_silent(server)

    def _learn(self, server: _Server, seconds: float) -> None:
        if not server.mean_seconds:
            # What was expected before anything was known no longer counts.
            server.mean_seconds, server.last_turn_at = seconds, 0.0
        server.mean_seconds += _WEIGHT * (seconds - server.mean_seconds)

    def _failed(self, server: _Server, weight: int) -> Change | None:
        now = self._clock()
        server.failures += weight
        if server.failures < _REFUSALS:
            return None
        was_open = server.opened_at is not None
        if server.opened_at is None:
            server.opened_at = now
        pause_seconds = server.pause_seconds * 2 or _FIRST_PAUSE_SECONDS
        server.pause_seconds = min(pause_seconds, _LONGEST_PAUSE_SECONDS)
        server.probe_at = now + server.pause_seconds
        return None if was_open else Change.OPENED
