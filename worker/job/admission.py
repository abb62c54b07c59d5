"""Limits how many jobs run, in the worker and at each mail server."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import structlog

from worker.errors import MailServerError, TokenEndpointUnavailable, TokenRefused
from worker.job.circuit_breaker import Attempt, Change, CircuitBreaker
from worker.mail.command_trace import CommandTrace
from worker.recent import Recent

log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.25
# For its first command to a server that answers nobody, a job has so long.
_IDLE_SECONDS = 2.0
# If more accounts than this hang at a server, the server is taken for the cause.
_MOST_SICK_ACCOUNTS = 3


class NotAdmitted(Exception):
    """The job may not start at its mail server now; it can be retried after `backoff_seconds`."""

    def __init__(self, reason: str, backoff_seconds: float) -> None:
        super().__init__(reason)
        self.backoff_seconds = backoff_seconds


@dataclass(slots=True, eq=False)
class _Entry:
    """A job that waits or runs. `mailbox`: set if its jobs must take turns there.

    `way`: the name of its server's circuit; `circuit`: of the one that counts for it while it runs.
    """

    server: str
    way: str
    account: Hashable | None
    mailbox: Hashable | None
    trace: CommandTrace
    circuit: str = ""
    # Whether it may begin, once that is decided.
    decided: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    began_at: float = 0.0
    limit: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))


class Admission:
    """Concurrency limits: at most `max_jobs` jobs run at a time, for each server `max_jobs_per_server`.

    A running job occupies a place. A job whose server is at its limit, or has not answered lately, waits
    for a short time without a place. After that it is returned, as are the jobs of servers that do not
    answer. A token endpoint is a server too, for a job that waits for an access token.
    """

    def __init__(self, *, max_jobs: int, max_jobs_per_server: int) -> None:
        self.max_jobs = max_jobs
        self._max_jobs_per_server = max_jobs_per_server
        # By account: the name of the server's circuit, and that of the account's.
        self._sick_accounts: Recent[Hashable, tuple[str, str]] = Recent()
        self._breaker = CircuitBreaker(
            limit=max_jobs_per_server, max_trials=max(1, max_jobs // 2), clock=_now
        )
        self._numbers = itertools.count(1)
        # A POP3 mailbox admits one session at a time: its jobs must not use up the server's limit.
        self._turns: Counter[Hashable] = Counter()
        self._max_turns = max(1, max_jobs_per_server // 2)
        self._waiting: list[_Entry] = []
        self._working: list[_Entry] = []
        self._at_server: Counter[str] = Counter()
        self._returning = 0
        self._tick: asyncio.TimerHandle | None = None
        # Called when one more job occupies no place.
        self.on_place_left: Callable[[], None] = lambda: None

    @property
    def without_place(self) -> int:
        """How many jobs in the worker occupy no place; at most as many as there are places.

        They are being returned, or wait for their server only. If places are free, all waiting jobs count.
        """
        waiting = len(self._waiting) if len(self._working) < self.max_jobs else 0
        return min(waiting + self._returning, self.max_jobs)

    @contextmanager
    def returning(self) -> Iterator[None]:
        """Note that a job is being returned while the block runs."""
        self._returning += 1
        self.on_place_left()
        try:
            yield
        finally:
            self._returning -= 1

    @property
    def open_circuits(self) -> int:
        """How many mail servers do not answer."""
        return self._breaker.open_circuits

    @asynccontextmanager
    async def place(
        self,
        server: str,
        trace: CommandTrace,
        *,
        way: str = "",
        account: Hashable | None = None,
        mailbox: Hashable | None = None,
    ) -> AsyncIterator[None]:
        """Occupy a place while the block works at `server`; raises NotAdmitted.

        `way`: the server and how it is spoken to, if it may answer that way and not another. `account`:
        whose it is. `mailbox`: set for jobs that must take turns there. If the server stops answering, a
        block that has sent no command yet is cancelled and NotAdmitted raised.
        """
        entry = _Entry(server, way or server, account, mailbox, trace)
        await self._enter(entry)
        attempt, code = Attempt.SHOWED_NOTHING, ""
        try:
            async with entry.limit:
                yield
            attempt = Attempt.ANSWERED
        except TimeoutError:
            if not entry.limit.expired():
                raise
            raise self._not_admitted(entry) from None
        except (MailServerError, TokenRefused, TokenEndpointUnavailable) as error:
            attempt, code = Attempt.of(error), error.code
            raise
        finally:
            self._leave(entry, attempt, code)

    async def _enter(self, entry: _Entry) -> None:
        if self._may_begin(entry):
            self._begin(entry)
            return
        ahead = sum(self._circuit(other) == self._circuit(entry) for other in self._waiting)
        if self._is_hopeless(entry, ahead):
            raise self._not_admitted(entry)
        self._waiting.append(entry)
        self._schedule_tick()
        self.on_place_left()
        try:
            is_admitted = await entry.decided
        except asyncio.CancelledError:
            if entry in self._working:
                self._leave(entry, Attempt.SHOWED_NOTHING)
            elif entry in self._waiting:
                self._waiting.remove(entry)
            raise
        if not is_admitted:
            raise self._not_admitted(entry)

    def _may_begin(self, entry: _Entry) -> bool:
        has_turn = entry.mailbox is None or self._turns[entry.mailbox] < self._max_turns
        if not has_turn or len(self._working) >= self.max_jobs:
            return False
        circuit = self._circuit(entry)
        is_admitted = self._breaker.may_begin(circuit) or self._may_try(entry, circuit)
        return is_admitted and self._has_share(entry.server)

    def _may_try(self, entry: _Entry, circuit: str) -> bool:
        """Tell whether an entry may find out whether a server that is silent to all others answers it."""
        if not self._breaker.may_try(circuit):
            return False
        if self._breaker.has_answered(circuit):
            return True
        # A server that never answered may still be well if it has taken commands, and only of other accounts.
        others = [other for other in self._working if other.circuit == circuit]
        has_taken_commands = any(other.trace.command_count for other in others)
        return has_taken_commands and all(other.account != entry.account for other in others)

    def _has_share(self, server: str) -> bool:
        """Tell whether a server may have one more place: up to its limit, and fewer the more others have.

        So some are left if several servers stop answering with all that they have.
        """
        most, free = self._max_jobs_per_server, self.max_jobs - len(self._working)
        at_server = self._at_server[server]
        return at_server < most and at_server * (self.max_jobs - most) < most * free

    def _is_hopeless(self, entry: _Entry, ahead: int) -> bool:
        """Tell whether waiting for its server is useless for an entry that may not start."""
        circuit = self._circuit(entry)
        is_full = len(self._working) >= self.max_jobs
        if (is_full or self._has_share(entry.server)) and self._breaker.may_begin(circuit):
            return False
        is_crowded = len(self._waiting) > self.max_jobs
        return not self._breaker.may_wait(circuit, ahead=ahead, is_crowded=is_crowded)

    def _circuit(self, entry: _Entry) -> str:
        return self._sick_accounts.get(entry.account, (entry.way, entry.way))[1]

    def _begin(self, entry: _Entry) -> None:
        entry.circuit = self._circuit(entry)
        self._breaker.begin(entry.circuit)
        if entry.mailbox is not None:
            self._turns[entry.mailbox] += 1
        entry.began_at = _now()
        self._working.append(entry)
        self._at_server[entry.server] += 1
        self._schedule_tick()

    def _leave(self, entry: _Entry, attempt: Attempt, code: str = "") -> None:
        self._working.remove(entry)
        self._at_server -= Counter([entry.server])
        if entry.mailbox is not None:
            self._turns -= Counter([entry.mailbox])
        if attempt is Attempt.TIMED_OUT and entry.trace.command_count:
            attempt = self._suspect_account(entry, code)
        self._note(entry.server, self._breaker.end(entry.circuit, attempt, entry.began_at), code)
        if attempt is Attempt.ANSWERED and entry.circuit != entry.way:
            self._sick_accounts.pop(entry.account, None)
            self._note(entry.server, self._breaker.answered(entry.way))
        self._look_again()

    def _suspect_account(self, entry: _Entry, code: str) -> Attempt:
        """Give the account that hangs a separate circuit; return what the job shows of its old one."""
        is_sick = entry.account in self._sick_accounts
        others = sum(way == entry.way for way, _ in self._sick_accounts.values())
        if (
            entry.circuit != entry.way
            or entry.account is None
            or (others >= _MOST_SICK_ACCOUNTS and not is_sick)
        ):
            return Attempt.TIMED_OUT
        if not is_sick:
            self._sick_accounts[entry.account] = entry.way, f"{entry.way} {next(self._numbers)}"
            circuit = self._circuit(entry)
            self._breaker.begin(circuit)
            self._note(entry.server, self._breaker.end(circuit, Attempt.TIMED_OUT, entry.began_at), code)
        return Attempt.SHOWED_NOTHING

    def _look_again(self) -> None:
        """Start the jobs that may start now, oldest first, and return those that wait without hope."""
        waiting, self._waiting = self._waiting, []
        ahead: Counter[str] = Counter()
        for entry in waiting:
            if entry.decided.done():
                continue  # cancelled
            if self._may_begin(entry):
                self._begin(entry)
                entry.decided.set_result(True)
            elif self._is_hopeless(entry, ahead[self._circuit(entry)]):
                entry.decided.set_result(False)
            else:
                self._waiting.append(entry)
                ahead[self._circuit(entry)] += 1

    def _schedule_tick(self) -> None:
        if self._tick is None:
            self._tick = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._look_around)

    def _look_around(self) -> None:
        self._tick = None
        self._take_idle_places()
        self._look_again()
        if self._waiting or self._working:
            self._schedule_tick()

    def _take_idle_places(self) -> None:
        """Cancel all but one of the jobs that have sent nothing yet to a server that stopped answering."""
        latest = _now() - _IDLE_SECONDS
        idle = [each for each in self._working if not each.trace.command_count and each.began_at <= latest]
        kept = {entry.circuit for entry in self._working if entry.trace.command_count}
        for entry in idle:
            if entry.circuit in kept and self._breaker.is_silent(entry.circuit):
                entry.limit.reschedule(_now())
            kept.add(entry.circuit)

    def _not_admitted(self, entry: _Entry) -> NotAdmitted:
        server, circuit = entry.server, self._circuit(entry)
        backoff_seconds = self._breaker.backoff_seconds(circuit)
        if self._breaker.is_fresh(circuit):
            return NotAdmitted(f"All of this worker's slots for {server} are in use.", backoff_seconds)
        return NotAdmitted(f"{server} does not answer; the job is retried later.", backoff_seconds)

    def _note(self, server: str, change: Change | None, code: str = "") -> None:
        if change is Change.OPENED:
            log.warning("mail_server_unreachable", server=server, code=code)
        elif change is Change.CLOSED:
            log.info("mail_server_recovered", server=server)


def _now() -> float:
    return asyncio.get_running_loop().time()
