"""The bounded threads in which sessions block, one thread for each session that is at work."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from worker.errors import ServerTimeout

T = TypeVar("T")


class BlockingSession(Protocol):
    """A session that blocks its thread until it is cut."""

    server: str
    is_usable: bool

    def cut(self) -> None:
        """End the connection from another thread, which ends the work. Never raises."""

    def close(self) -> None:
        """Give back the descriptors, when no thread is at work here any more. Never raises."""


class SessionThreads:
    """Does the work of sessions, each in one thread at a time; none waits for the thread of another."""

    def __init__(self, max_threads: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_threads, thread_name_prefix=name)
        self._at_work: set[BlockingSession] = set()

    async def run(self, session: BlockingSession, work: Callable[[], T], within_seconds: float) -> T:
        """Do blocking work on a session; after this time, or when cancelled, its connection is cut.

        Raises ServerTimeout.
        """
        future = self._executor.submit(contextvars.copy_context().run, self._work, session, work)
        try:
            async with asyncio.timeout(within_seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            session.cut()
            text = f"{session.server} did not finish within {within_seconds:g} seconds."
            raise ServerTimeout(text, server=session.server) from error
        except asyncio.CancelledError:
            session.cut()
            raise

    def abort(self, session: BlockingSession) -> None:
        """Cut a connection; the descriptors go as soon as no thread uses them. Never raises."""
        session.cut()
        if session not in self._at_work:
            session.close()

    def close(self) -> None:
        """Take no more work. What is under way ends when its session is cut."""
        self._executor.shutdown(wait=False)

    def _work(self, session: BlockingSession, work: Callable[[], T]) -> T:
        self._at_work.add(session)
        try:
            return work()
        finally:
            self._at_work.discard(session)
            if not session.is_usable:
                session.close()
