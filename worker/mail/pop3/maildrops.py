"""The door to POP3 maildrops: one visit at a time to each, in the order in which they were asked for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from weakref import WeakSet, WeakValueDictionary

from worker.errors import EmailError, MailboxBusy
from worker.mail.account import Account
from worker.mail.deadline_socket import connect
from worker.mail.pool import PoolFigures
from worker.mail.pop3.deletion import delete_and_quit
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.maildrop import Maildrop
from worker.mail.pop3.maildrop_hold import MaildropHold, part
from worker.mail.pop3.maildrop_memory import MaildropKey, MaildropMemory, maildrop_key
from worker.mail.pop3.session import Pop3Session
from worker.mail.pop3.threads import Pop3Threads
from worker.mail.timeouts import Timeouts

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 4.0


class Maildrops:
    """All maildrops that the worker visits.

    `failed_deletions`: how many mails were not seen to go although the engine had taken the result.
    """

    def __init__(self, tls_context: ssl.SSLContext, timeouts: Timeouts, limits: Pop3Limits) -> None:
        self.failed_deletions = 0
        self._tls_context = tls_context
        self._timeouts = timeouts
        self._limits = limits
        self._memory = MaildropMemory(limits.max_remembered_bytes)
        self._threads = Pop3Threads(limits.max_sessions)
        self._slots = asyncio.Semaphore(limits.max_sessions)
        # A lock lives as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[MaildropKey, asyncio.Lock] = WeakValueDictionary()
        self._holds: WeakSet[MaildropHold] = WeakSet()
        self._busy = self._asking = self._opened = 0

    @property
    def held_mails(self) -> int:
        """How many mails have been read and wait for the engine, to be removed."""
        return sum(not hold.is_over for hold in self._holds)

    @property
    def figures(self) -> PoolFigures:
        """The sessions in numbers; none is ever idle, as a session locks its maildrop."""
        return PoolFigures(0, self._busy, self._asking, self._opened, reconnects=0)

    @asynccontextmanager
    async def visit(self, account: Account) -> AsyncIterator[Visit]:
        """Wait for the maildrop's turn, sign in, and see what is there; at the end, sign off."""
        key = maildrop_key(account)
        async with AsyncExitStack() as resources:
            with self._waiting():
                await resources.enter_async_context(self._locks.setdefault(key, asyncio.Lock()))
                session = await self._open_patiently(account, resources)
            maildrop = Maildrop(key, session, self._threads, self._memory, self._limits)
            hold = partial(self._hold, maildrop, session, resources)
            visit = Visit(maildrop, hold, self._limits.max_hold_seconds)
            try:
                await maildrop.look()
                yield visit
                if not visit.is_held:
                    await maildrop.confirm()
            except EmailError:
                await part(session, self._threads)
                raise
            if not visit.is_held:
                await part(session, self._threads)

    async def close(self) -> None:
        """Give up what waits for the engine: those mails stay."""
        await asyncio.gather(*(hold.abandon() for hold in self._holds))
        self._threads.close()

    async def _open_patiently(self, account: Account, resources: AsyncExitStack) -> Pop3Session:
        """Try again for a while where another session has the maildrop: most are short."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._limits.busy_patience_seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._open(account, resources)
            except MailboxBusy:
                if loop.time() + pause_seconds > give_up_at:
                    raise
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    async def _open(self, account: Account, resources: AsyncExitStack) -> Pop3Session:
        async with AsyncExitStack() as attempt:
            await attempt.enter_async_context(self._slots)
            connection = await connect(account, self._timeouts.connect_seconds)
            session = Pop3Session(account, connection, self._timeouts, self._limits)
            attempt.callback(session.close)
            await self._threads.run(session, partial(session.open, self._tls_context))
            self._opened += 1
            attempt.enter_context(self._counted_as_busy())
            resources.push_async_callback(attempt.pop_all().aclose)
            return session

    def _hold(
        self, maildrop: Maildrop, session: Pop3Session, resources: AsyncExitStack, number: int
    ) -> MaildropHold:
        hold = MaildropHold(
            partial(delete_and_quit, session, number, maildrop.uids.get(number)),
            session,
            self._threads,
            resources.pop_all(),
            max_seconds=self._limits.max_hold_seconds,
            on_failed_deletion=self._count_failed_deletion,
        )
        self._holds.add(hold)
        return hold

    def _count_failed_deletion(self) -> None:
        self.failed_deletions += 1

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1

    @contextmanager
    def _counted_as_busy(self) -> Iterator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1


class Visit:
    """A maildrop for the time of one operation, and beyond it by `hold`.

    `max_hold_seconds`: how long it may stay locked for what is not done at the server itself.
    """

    def __init__(
        self, maildrop: Maildrop, hold: Callable[[int], MaildropHold], max_hold_seconds: float
    ) -> None:
        self.maildrop = maildrop
        self.max_hold_seconds = max_hold_seconds
        self.is_held = False
        self._hold = hold

    async def hold(self, number: int) -> MaildropHold:
        """Keep the session until the engine has spoken; then the mail of that number goes, or stays."""
        await self.maildrop.confirm()
        self.is_held = True
        return self._hold(number)
