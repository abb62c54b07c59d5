"""A session that waits until the engine has taken the result, and deletes the mail only then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial

import structlog

from worker.errors import ConnectionFailed, MailServerError
from worker.mail.pop3_session import Pop3Session
from worker.mail.pop3_threads import Pop3Threads

log = structlog.get_logger(__name__)

_PARTING_SECONDS = 5.0


class MaildropHold:
    """Deletes a mail (`commit`) or leaves it (`abandon`), whichever comes first.

    Nothing about the deletion has been said to the server before `commit`, so whatever becomes of the
    worker, the engine or the connection, the mail stays. The maildrop is locked meanwhile: after
    `max_seconds` it is let go as by `abandon`. `resources` holds the session and the turn at the maildrop;
    `on_failed_deletion` is told where a commit did not succeed. `is_over`: its mail is decided upon.
    """

    def __init__(
        self,
        delete: Callable[[], None],
        session: Pop3Session,
        threads: Pop3Threads,
        resources: AsyncExitStack,
        *,
        max_seconds: float,
        on_failed_deletion: Callable[[], None],
    ) -> None:
        self._delete = delete
        self._session = session
        self._threads = threads
        self._resources = resources
        self._max_seconds = max_seconds
        self._on_failed_deletion = on_failed_deletion
        self.is_over = False
        self._expiry: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(max_seconds, self._expire)

    async def commit(self) -> None:
        """Delete the mail. Raises a MailServerError where the server has not said that it did.

        Refused, the mail is still there. Without an answer nobody knows; the next read of its id will tell.
        """
        try:
            if not self._end():
                raise ConnectionFailed(
                    f"The engine did not take the result within {self._max_seconds:g} seconds, so the mailbox"
                    f" at {self._session.server} was let go; the message is still there.",
                    server=self._session.server,
                )
            async with self._resources:
                await self._threads.run(self._session, self._delete)
        except MailServerError:
            self._on_failed_deletion()
            raise

    async def abandon(self) -> None:
        """Leave the mail where it is and let the maildrop go. Never raises."""
        if self._end():
            async with self._resources:
                await part(self._session, self._threads)

    def _end(self) -> bool:
        """Tell whether it was still to be decided; from now on it is not."""
        was_open = not self.is_over
        self.is_over = True
        self._timer.cancel()
        return was_open

    def _expire(self) -> None:
        log.warning("maildrop_let_go", server=self._session.server, after_seconds=self._max_seconds)
        self._expiry = asyncio.ensure_future(self.abandon())


async def part(session: Pop3Session, threads: Pop3Threads) -> None:
    """End a session politely within a short time. Never raises."""
    if session.is_usable:
        with suppress(MailServerError):
            await threads.run(session, partial(session.quit, _PARTING_SECONDS))
