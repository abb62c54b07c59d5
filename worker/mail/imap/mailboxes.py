"""IMAP from the event loop: warm sessions, each used by one thread at a time."""

from __future__ import annotations

import contextlib
import ssl
from asyncio import CancelledError
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from worker.errors import MailServerError
from worker.mail.account import Account
from worker.mail.connection import connect
from worker.mail.imap.deleted_flags import DeletedFlags
from worker.mail.imap.folders import ImapFolders
from worker.mail.imap.limits import ImapLimits
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.session import ImapSession
from worker.mail.imap.sort_keys import SortKeyMemory
from worker.mail.pool import Pool, PoolFigures, PoolLimits
from worker.mail.threads import release, run_step
from worker.mail.timeouts import Timeouts

T = TypeVar("T")

_LOGOUT_SECONDS = 2.0
_MOST_BROKEN_OFF = 20_000


class ImapMailboxes:
    """Runs blocking work on mailboxes, each session in one thread at a time."""

    def __init__(
        self, tls_context: ssl.SSLContext, timeouts: Timeouts, limits: ImapLimits, pool_limits: PoolLimits
    ) -> None:
        self.sort_keys = SortKeyMemory(limits.max_remembered_bytes)
        self._deleted_flags = DeletedFlags()
        self._broken_off: OrderedDict[str, None] = OrderedDict()
        self._tls_context = tls_context
        self._timeouts = timeouts
        self._limits = limits
        self._pool: Pool[PooledImapSession] = Pool(self._open, pool_limits)

    @property
    def figures(self) -> PoolFigures:
        """The sessions in numbers."""
        return self._pool.figures

    async def run(self, account: Account, work: Callable[[ImapMailbox], T]) -> T:
        """Do blocking work on an account's mailbox; cancelling cuts the connection, which ends the thread."""
        seconds = self._timeouts.transfer_seconds
        return await self._pool.run(account, lambda session: session.run(work, seconds))

    async def close(self) -> None:
        """Sign off everywhere."""
        await self._pool.close()

    def note_broken_off(self, reference: str) -> None:
        """Remember that the outcome of this work is unknown: its next attempt may find it done."""
        self._broken_off[reference] = None
        if len(self._broken_off) > _MOST_BROKEN_OFF:
            self._broken_off.popitem(last=False)

    def has_broken_off(self, reference: str) -> bool:
        """Tell whether an earlier attempt at this work broke off after it had changed something."""
        return reference in self._broken_off

    async def _open(self, account: Account) -> PooledImapSession:
        connection = await connect(account, self._timeouts.connect_seconds)
        session = ImapSession(account, connection, self._timeouts, self._limits)
        mailbox = ImapMailbox(account, session, ImapFolders(session), self.sort_keys, self._deleted_flags)
        pooled = PooledImapSession(mailbox)

        def begin(mailbox: ImapMailbox) -> None:
            mailbox.session.open(self._tls_context)
            mailbox.folders.learn()

        try:
            await pooled.run(begin, self._timeouts.transfer_seconds)
        except BaseException:
            pooled.abort()
            raise
        return pooled


class PooledImapSession:
    """A session as the pool knows it: see `PooledSession`."""

    def __init__(self, mailbox: ImapMailbox) -> None:
        self._mailbox = mailbox
        self._session = mailbox.session
        self.begin = self._session.begin

    @property
    def is_usable(self) -> bool:
        """Whether the next command may be sent."""
        return self._session.is_usable

    @property
    def may_repeat(self) -> bool:
        """Whether nothing has been changed at the server since `begin`."""
        return not self._session.has_changed

    async def run(self, work: Callable[[ImapMailbox], T], within_seconds: float) -> T:
        """Do blocking work in a thread; after this time, or when cancelled, the connection is cut."""
        return await run_step(self._session, lambda: work(self._mailbox), within_seconds)

    async def close(self) -> None:
        """Sign off within two seconds. Never raises."""
        with contextlib.suppress(MailServerError, CancelledError):
            await self.run(lambda mailbox: mailbox.session.logout(_LOGOUT_SECONDS), _LOGOUT_SECONDS)
        self.abort()

    def abort(self) -> None:
        """Cut the connection. Never raises."""
        release(self._session)
