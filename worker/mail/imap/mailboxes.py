"""IMAP from the event loop: warm sessions, each used by one thread at a time."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from worker.mail.account import Account
from worker.mail.connection import connect
from worker.mail.imap.folders import ImapFolders
from worker.mail.imap.limits import ImapLimits
from worker.mail.imap.mailbox import DeletedFlags, ImapMailbox, Place, StructuresBroken
from worker.mail.imap.session import ImapSession
from worker.mail.message.sort_keys import SortKeys
from worker.mail.pool import Pool, PoolFigures, PoolLimits
from worker.mail.timeouts import Timeouts
from worker.models.email import SortField
from worker.recent import Recent

T = TypeVar("T")

_MOST_BROKEN_OFF = 20_000


class _PooledSession(ImapSession):
    """A session that keeps what is known of the folders from one operation to the next."""

    folders: ImapFolders

    def open(self, tls_context: ssl.SSLContext) -> None:
        super().open(tls_context)
        self.folders = ImapFolders(self)


class ImapMailboxes:
    """Runs blocking work on mailboxes, each session in one thread at a time.

    `broken_off`: references of work whose outcome is unknown, as it broke off after it had changed something:
    the next attempt may find it done.
    """

    def __init__(
        self, tls_context: ssl.SSLContext, timeouts: Timeouts, limits: ImapLimits, pool_limits: PoolLimits
    ) -> None:
        self.sort_keys = Recent[tuple[Place, SortField], SortKeys](
            limits.max_remembered_bytes, lambda keys: keys.bytes
        )
        self._deleted_flags = Recent[Place, DeletedFlags]()
        self.broken_off = Recent[str, None](_MOST_BROKEN_OFF)
        self._tls_context = tls_context
        self._timeouts = timeouts
        self._limits = limits
        self._pool: Pool[_PooledSession] = Pool(self._open, pool_limits)

    @property
    def figures(self) -> PoolFigures:
        """The sessions in numbers."""
        return self._pool.figures

    async def run(
        self, account: Account, work: Callable[[ImapMailbox], T], *, has_structures: bool = True
    ) -> T:
        """Do blocking work on an account's mailbox; cancelling cuts the connection, which ends the thread.

        It is done again without structures of messages if the connection broke at a request for them.
        """

        def run(session: _PooledSession) -> Awaitable[T]:
            mailbox = ImapMailbox(
                session, session.folders, self.sort_keys, self._deleted_flags, has_structures
            )
            return session.run(lambda: work(mailbox), self._timeouts.transfer_seconds)

        try:
            return await self._pool.run(account, run)
        except StructuresBroken:
            return await self.run(account, work, has_structures=False)

    async def close(self) -> None:
        """Sign off everywhere."""
        await self._pool.close()

    async def _open(self, account: Account) -> _PooledSession:
        connection = await connect(account, self._timeouts.connect_seconds)
        session = _PooledSession(account, connection, self._timeouts, self._limits)
        try:
            await session.run(partial(session.open, self._tls_context), self._timeouts.transfer_seconds)
        except BaseException:
            session.abort()
            raise
        return session
