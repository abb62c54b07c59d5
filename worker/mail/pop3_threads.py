"""The bounded threads in which POP3 sessions block."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from worker.mail.pop3_session import Pop3Session

T = TypeVar("T")


class Pop3Threads:
    """Runs the steps of sessions, each in one thread at a time."""

    def __init__(self, max_threads: int) -> None:
        self._executor = ThreadPoolExecutor(max_threads, thread_name_prefix="pop3")

    async def run(self, session: Pop3Session, step: Callable[[], T]) -> T:
        """Run a step of a session; cancellation cuts the connection, which ends the step.

        No thread is at work on the session any more when this returns or raises.
        """
        future = asyncio.get_running_loop().run_in_executor(
            self._executor, contextvars.copy_context().run, step
        )
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            session.cut()
            await _settled(future)
            raise

    def close(self) -> None:
        """Take no more steps. Those under way end when their sessions are cut."""
        self._executor.shutdown(wait=False)


async def _settled(future: asyncio.Future[T]) -> None:
    """Wait until a thread is done, even when cancelled again: its socket must not be closed before."""
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue
    future.exception()  # seen, so that asyncio does not report it
