"""Warm sessions by account: signing in costs several round trips, so a session is kept for the next job."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from worker.errors import AuthenticationFailed, ConnectionFailed, ServerUnavailable
from worker.mail.account import Account
from worker.mail.command_trace import detach_command_trace


class PooledSession(Protocol):
    """What the pool asks of a session. None of it costs a round trip but `close`."""

    @property
    def is_usable(self) -> bool:
        """Whether the next command may be sent: connected, in step with the server, not broken."""

    @property
    def may_repeat(self) -> bool:
        """Whether nothing has been changed at the server since the session was taken from the pool."""

    def begin(self) -> None:
        """Note that the session has been taken from the pool: `may_repeat` counts again."""

    async def close(self) -> None:
        """Sign off politely within a short limit. Never raises."""

    def abort(self) -> None:
        """Cut the connection immediately. Never raises."""


S = TypeVar("S", bound=PooledSession)
T = TypeVar("T")

# More than a session's own limit for its last command.
_SIGN_OFF_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds of one pool."""

    max_sessions: int = 64
    max_sessions_per_account: int = 8
    max_idle_seconds: float = 60.0


@dataclass(slots=True)
class _Shelf(Generic[S]):
    """The sessions of one account: the idle ones, oldest first with the time they became idle.

    `leaving`: how many sign off; the server counts them until their connection is closed.
    """

    idle: deque[tuple[float, S]] = field(default_factory=deque)
    busy: int = 0
    leaving: int = 0

    @property
    def size(self) -> int:
        return len(self.idle) + self.busy + self.leaving


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """A pool in numbers: its sessions, who waits for one, and how many have been opened and replaced."""

    idle: int
    busy: int
    waiting: int
    opened: int
    reconnects: int


class Pool(Generic[S]):
    """Keeps sessions open between jobs, within bounds per account and in all.

    A session that died while idle is replaced without a word: `run` repeats the work once on a new
    session where the old one had changed nothing yet.
    """

    def __init__(
        self,
        open_session: Callable[[Account], Awaitable[S]],
        limits: PoolLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_session = open_session
        self._limits = limits
        self._clock = clock
        self._shelves: OrderedDict[Account, _Shelf[S]] = OrderedDict()
        self._waiters: list[asyncio.Future[None]] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._opened = 0
        self._reconnects = 0

    @property
    def figures(self) -> PoolFigures:
        """The current state of the pool."""
        busy = sum(shelf.busy for shelf in self._shelves.values())
        return PoolFigures(
            self.open_sessions - busy, busy, self._waiting_count, self._opened, self._reconnects
        )

    @property
    def open_sessions(self) -> int:
        """How many sessions there are, idle, busy and signing off."""
        return sum(shelf.size for shelf in self._shelves.values())

    @property
    def _waiting_count(self) -> int:
        return sum(not waiter.done() for waiter in self._waiters)

    async def run(self, account: Account, work: Callable[[S], Awaitable[T]]) -> T:
        """Do `work` on a session for `account`, warm if there is one."""
        async with self._lease(account, fresh=False) as (session, is_warm):
            try:
                return await work(session)
            except (AuthenticationFailed, ConnectionFailed, ServerUnavailable):
                if session.is_usable or not (is_warm and session.may_repeat):
                    raise
        # What closed one idle session (a restart, a firewall) has most likely closed its neighbours.
        self._discard_idle(account)
        self._reconnects += 1
        async with self._lease(account, fresh=True) as (session, _):
            return await work(session)

    async def close(self) -> None:
        """Close every idle session and wait for the sign-offs; busy ones close when their work ends."""
        self._is_closed = True
        for account in list(self._shelves):
            self._discard_idle(account)
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.gather(*self._closing)

    @asynccontextmanager
    async def _lease(self, account: Account, *, fresh: bool) -> AsyncIterator[tuple[S, bool]]:
        session, is_warm = await self._take(account, fresh=fresh)
        try:
            session.begin()
            yield session, is_warm
        finally:
            self._give_back(account, session)

    async def _take(self, account: Account, *, fresh: bool) -> tuple[S, bool]:
        while True:
            session = None if fresh else self._pop_usable(account)
            if session is not None:
                return session, True
            if self._may_open(account):
                break
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        self._shelves.setdefault(account, _Shelf()).busy += 1
        try:
            session = await self._open_session(account)
        except BaseException:
            self._release(account)
            raise
        self._opened += 1
        return session, False

    def _give_back(self, account: Account, session: S) -> None:
        if not session.is_usable:
            session.abort()
        elif self._is_closed:
            self._close_soon(account, session)
        else:
            self._shelves[account].idle.append((self._clock(), session))
            self._shelves.move_to_end(account)
            self._schedule_sweep()
        self._release(account)

    def _release(self, account: Account) -> None:
        self._shelves[account].busy -= 1
        self._session_ended(account)

    def _session_ended(self, account: Account) -> None:
        """Forget the account if it has no session any more; wake all who wait for one."""
        if not self._shelves[account].size:
            del self._shelves[account]
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _pop_usable(self, account: Account) -> S | None:
        """Take the warmest session first: the others may then grow old and be closed."""
        shelf = self._shelves.get(account)
        while shelf is not None and shelf.idle:
            since, session = shelf.idle.pop()
            if session.is_usable and self._clock() - since < self._limits.max_idle_seconds:
                shelf.busy += 1
                return session
            session.abort()
            self._session_ended(account)
        return None

    def _may_open(self, account: Account) -> bool:
        """Tell whether a session may be opened; if not, an idle one signs off, and its slot becomes free."""
        shelf = self._shelves.get(account)
        if shelf is not None and shelf.size >= self._limits.max_sessions_per_account:
            owners = [account]
        elif self.open_sessions >= self._limits.max_sessions:
            owners = list(self._shelves)  # the account that was used longest ago comes first
        else:
            return True
        leaving = sum(self._shelves[owner].leaving for owner in owners)
        if leaving <= self._waiting_count:  # else a slot is already free for the caller
            any(self._close_oldest(owner) for owner in owners)
        return False

    def _close_oldest(self, account: Account) -> bool:
        """Have the session that has been idle for the longest time sign off, if there is one."""
        shelf = self._shelves.get(account)
        if shelf is None or not shelf.idle:
            return False
        self._close_soon(account, shelf.idle.popleft()[1])
        return True

    def _discard_idle(self, account: Account) -> None:
        while self._close_oldest(account):
            pass

    def _close_soon(self, account: Account, session: S) -> None:
        self._shelves[account].leaving += 1
        task = asyncio.create_task(_sign_off(session))
        self._closing.add(task)
        task.add_done_callback(lambda ended: self._signed_off(account, ended))

    def _signed_off(self, account: Account, task: asyncio.Task[None]) -> None:
        self._closing.discard(task)
        self._shelves[account].leaving -= 1
        self._session_ended(account)

    def _schedule_sweep(self) -> None:
        """Come back when the oldest idle session will have been idle for too long."""
        if self._sweeper is not None:
            return
        since = [shelf.idle[0][0] for shelf in self._shelves.values() if shelf.idle]
        if since:
            delay = min(since) + self._limits.max_idle_seconds - self._clock()
            self._sweeper = asyncio.get_running_loop().call_later(max(0, delay), self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long."""
        self._sweeper = None
        now = self._clock()
        for account, shelf in self._shelves.items():
            while shelf.idle and now - shelf.idle[0][0] >= self._limits.max_idle_seconds:
                self._close_oldest(account)
        self._schedule_sweep()


async def _sign_off(session: PooledSession) -> None:
    # Whose work happened to end this session has nothing to do with its last command.
    detach_command_trace()
    try:
        async with asyncio.timeout(_SIGN_OFF_SECONDS):
            await session.close()
    except TimeoutError:
        session.abort()
