"""One operation at a mailbox, and beyond it the deletion that waits until Camunda has stored the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TypeVar

import structlog

from worker.errors import ConnectionFailed, MailServerError
from worker.mail.pop3.mailbox import Pop3Mailbox

log = structlog.get_logger(__name__)

_SIGN_OFF_SECONDS = 5.0

T = TypeVar("T")


@dataclass(eq=False)
class Visit:
    """Works in a mailbox (`run`), and may then delete an email (`commit`) or leave it (`abandon`).

    Nothing about a deletion is sent to the server before `commit`, so if the worker, Camunda or the
    connection fails, the email stays. The mailbox is locked meanwhile, for `max_lock_seconds` (Pop3Limits) at
    most: then it is unlocked as by `abandon`. `resources` are the session and the lock; `on_failure` is
    called if a commit fails.
    """

    mailbox: Pop3Mailbox
    resources: AsyncExitStack
    on_failure: Callable[[], None]
    is_pending: bool = False

    def __post_init__(self) -> None:
        self._session = self.mailbox.session
        self._max_lock_seconds = self.mailbox.limits.max_lock_seconds

    async def run(self, work: Callable[[Pop3Mailbox], T]) -> T:
        """Run the operation with the mailbox, in a thread."""

        def steps() -> T:
            result = work(self.mailbox)
            self.mailbox.confirm()
            return result

        return await self._session.run(steps, self._session.timeouts.transfer_seconds)

    def defer_deletion(self, number: int) -> Visit:
        """Keep the session until Camunda has stored the result; then the email of that number is deleted."""
        self.is_pending = True
        self.resources = self.resources.pop_all()
        self._number = number
        self._timer = asyncio.get_running_loop().call_later(self._max_lock_seconds, self._expire)
        return self

    async def commit(self) -> None:
        """Delete the email. Raises a MailServerError if the server has not said that it did.

        If the server refuses, the email is still there. Without a reply, only the next read shows it.
        """
        try:
            if not self._end():
                raise ConnectionFailed(
                    f"Camunda did not store the result within {self._max_lock_seconds:g} seconds, so the"
                    f" mailbox at {self._session.server} was unlocked; the message is still there.",
                    server=self._session.server,
                )
            async with self.resources:
                await self._session.run(
                    lambda: self.mailbox.delete_and_quit(self._number),
                    self._session.timeouts.transfer_seconds,
                )
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
        if self._session.is_usable:
            with suppress(MailServerError):
                await self._session.run(self._session.quit, _SIGN_OFF_SECONDS)

    def _end(self) -> bool:
        """Tell whether a deletion was pending; from now on none is."""
        was_pending = self.is_pending
        self.is_pending = False
        self._timer.cancel()
        return was_pending

    def _expire(self) -> None:
        log.warning("mailbox_unlocked", server=self._session.server, after_seconds=self._max_lock_seconds)
        self._expiry = asyncio.ensure_future(self.abandon())
