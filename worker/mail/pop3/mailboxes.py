"""POP3 mailboxes from the event loop: one visit at a time to each, in the order of the requests."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from weakref import WeakSet, WeakValueDictionary

from worker.errors import EmailError, MailboxBusy
from worker.mail.account import Account
from worker.mail.connection import connect
from worker.mail.pool import PoolFigures
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.mailbox import Pop3Mailbox
from worker.mail.pop3.memory import MailboxMemory, mailbox_key
from worker.mail.pop3.session import Pop3Session
from worker.mail.pop3.visit import Visit
from worker.mail.timeouts import Timeouts

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 4.0
_PARTING_SECONDS = 1.0


class Pop3Mailboxes:
    """All mailboxes that the worker visits.

    `failed_deletions`: how many deletions were not confirmed although Camunda had stored the result.
    """

    def __init__(self, tls_context: ssl.SSLContext, timeouts: Timeouts, limits: Pop3Limits) -> None:
        self.failed_deletions = 0
        self._tls_context = tls_context
        self._timeouts = timeouts
        self._limits = limits
        self._memory = MailboxMemory(limits.max_remembered_bytes)
        self._slots = asyncio.Semaphore(limits.max_sessions)
        # A lock lives as long as somebody has it or waits for it. The password is part of its key: somebody
        # who knows only the user name cannot delay others.
        self._locks: WeakValueDictionary[Account, asyncio.Lock] = WeakValueDictionary()
        self._visits: WeakSet[Visit] = WeakSet()
        self._sessions: set[Pop3Session] = set()
        self._waiting = self._opened = 0

    @property
    def pending_deletions(self) -> int:
        """How many emails have been read and wait for Camunda, to be deleted."""
        return sum(visit.is_pending for visit in self._visits)

    @property
    def figures(self) -> PoolFigures:
        """The sessions in numbers; none is ever idle, as a session locks its mailbox."""
        return PoolFigures(0, len(self._sessions), self._waiting, self._opened, reconnects=0)

    @asynccontextmanager
    async def visit(self, account: Account) -> AsyncIterator[Visit]:
        """Wait for the mailbox's lock and sign in; at the end, sign off, unless a deletion is pending."""
        async with AsyncExitStack() as resources:
            self._waiting += 1
            try:
                await resources.enter_async_context(self._locks.setdefault(account, asyncio.Lock()))
                session = await self._open_patiently(account, resources)
            finally:
                self._waiting -= 1
            visit = Visit(
                Pop3Mailbox(mailbox_key(account), session, self._memory, self._limits),
                resources,
                self._count_failed_deletion,
            )
            self._visits.add(visit)
            try:
                yield visit
            except EmailError:
                await visit.sign_off()
                raise
            if not visit.is_pending:
                await visit.sign_off()

    async def close(self) -> None:
        """Give up what waits for Camunda: those emails stay."""
        await asyncio.gather(*(visit.abandon() for visit in self._visits if visit.is_pending))
        # What was cancelled has been cut, and ends by itself.
        if threads := [session.thread for session in self._sessions if session.thread is not None]:
            await asyncio.wait(threads, timeout=_PARTING_SECONDS)

    async def _open_patiently(self, account: Account, resources: AsyncExitStack) -> Pop3Session:
        """Try again for a while if another session has the mailbox: most are short."""
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
            await self._slots.acquire()
            attempt.callback(self._slots.release)
            connection = await connect(account, self._timeouts.connect_seconds)
            session = Pop3Session(account, connection, self._timeouts, self._limits)
            self._sessions.add(session)
            attempt.pop_all()
            attempt.callback(session.abort, partial(self._ended, session))
            await session.run(partial(session.open, self._tls_context), self._timeouts.sign_in_seconds)
            self._opened += 1
            resources.push_async_callback(attempt.pop_all().aclose)
        return session

    def _ended(self, session: Pop3Session) -> None:
        """Release the slot of a session that is closed and has no thread any more."""
        self._sessions.discard(session)
        self._slots.release()

    def _count_failed_deletion(self) -> None:
        self.failed_deletions += 1
