"""One operation at a mailbox, and beyond it the deletion that waits until Camunda has stored the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from worker.errors import ConnectionFailed, MailServerError
from worker.mail.pop3.mailbox import Pop3Mailbox
from worker.mail.pop3.session import Pop3Session

log = structlog.get_logger(__name__)

_SIGN_OFF_SECONDS = 5.0

T = TypeVar("T")


@dataclass(eq=False)
class Visit:
    """Works in a mailbox (`run`), and may then delete an email (`commit`) or leave it (`abandon`).

    Nothing about a deletion is sent to the server before `commit`, so if the worker, Camunda or the
    connection fails, the email stays. The mailbox is locked meanwhile, `max_lock_seconds` at most: then it
    is unlocked as by `abandon`. `within_seconds` bounds the work, and the deletion. `resources` are the
    session and the lock; `on_failure` is called if a commit fails.
    """

    mailbox: Pop3Mailbox
    session: Pop3Session
    resources: AsyncExitStack
    within_seconds: float
    max_lock_seconds: float
    on_failure: Callable[[], None]
    is_pending: bool = False

    async def run(self, work: Callable[[Pop3Mailbox], T], *, with_listing: bool = True) -> T:
        """List the mailbox and run the operation with it, in a thread."""

        def steps() -> T:
            if with_listing:
                self.mailbox.look()
            result = work(self.mailbox)
            self.mailbox.confirm()
            return result

        return await self.session.run(steps, self.within_seconds)

    def defer_deletion(self, number: int) -> Visit:
        """Keep the session until Camunda has stored the result; then the email of that number is deleted."""
        self.is_pending = True
        self.resources = self.resources.pop_all()
        self._number = number
        self._timer = asyncio.get_running_loop().call_later(self.max_lock_seconds, self._expire)
        return self

    async def commit(self) -> None:
        """Delete the email. Raises a MailServerError if the server has not said that it did.

        If the server refuses, the email is still there. Without a reply, only the next read shows it.
        """
        try:
            if not self._end():
                raise ConnectionFailed(
                    f"Camunda did not store the result within {self.max_lock_seconds:g} seconds, so the"
                    f" mailbox at {self.session.server} was unlocked; the message is still there.",
                    server=self.session.server,
                )
            async with self.resources:
                uid = self.mailbox.uids.get(self._number)
                delete = partial(delete_and_quit, self.session, self._number, uid)
                await self.session.run(delete, self.within_seconds)
                self.mailbox.note_deletion(self._number)
        except MailServerError:
            self.on_failure()
            raise

    async def abandon(self) -> None:
        """Leave the email where it is and unlock the mailbox. Never raises."""
        if self._end():
            async with self.resources:
                await self.sign_off()

    async def sign_off(self) -> None:
        """End the session politely within a short time. Never raises."""
        if self.session.is_usable:
            with suppress(MailServerError):
                await self.session.run(self.session.quit, _SIGN_OFF_SECONDS)

    def _end(self) -> bool:
        """Tell whether a deletion was pending; from now on none is."""
        was_pending = self.is_pending
        self.is_pending = False
        self._timer.cancel()
        return was_pending

    def _expire(self) -> None:
        log.warning("mailbox_unlocked", server=self.session.server, after_seconds=self.max_lock_seconds)
        self._expiry = asyncio.ensure_future(self.abandon())


def delete_and_quit(session: Pop3Session, number: int, uid: str | None) -> None:
    """Delete a message and end the session; return when the server says that it has done so. It blocks.

    DELE comes only here, since some servers (GreenMail) delete a marked message even if the connection
    breaks before QUIT. Some (again) let another session's deletions change the numbers, which RFC 1939
    forbids; so if there is a unique id, it is compared before the mark and after. A message that is gone
    already is deleted.
    """
    if uid is not None and session.uid_at(number) != uid:
        number = next((other for other, its_uid in session.uids().items() if its_uid == uid), 0)
    if number:
        session.mark_deleted(number)
        # A server that keeps to the rules says nothing about a marked message.
        if uid is not None and session.uid_at(number, is_deleted=True) not in {uid, None}:
            session.unmark_all()
            session.cut()
            raise ConnectionFailed(
                f"Another session changed the numbers of the messages at {session.server}; none was deleted.",
                server=session.server,
            )
    session.quit()
