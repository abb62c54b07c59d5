"""The threads in which sessions with mail servers block: one for each session that is at work."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from worker.errors import ConnectionFailed, ServerTimeout
from worker.mail.connection import BoundedConnection

T = TypeVar("T")


class BlockingSession:
    """A session with a mail server whose methods block; `run` runs them, in one thread at a time.

    `doing`: the current command. `is_in_step`: what the server says next answers the next command. Only `cut`
    may be called from another thread.
    """

    def __init__(self, server: str, connection: socket.socket) -> None:
        self.server = server
        self.doing = "the start of a session"
        self.connection = BoundedConnection(server, connection)
        self.thread: asyncio.Future[Any] | None = None
        self.is_in_step = True
        self._is_cut = False

    @property
    def is_usable(self) -> bool:
        """Whether the next command may be sent: connected, and in step with the server."""
        return self.is_in_step and not self._is_cut

    async def run(self, step: Callable[[], T], within_seconds: float) -> T:
        """Run a step in a thread; cancellation and the time limit cut the connection, which ends it."""
        try:
            self.thread = start_thread(step)
        except RuntimeError as error:  # the system has none left
            text = f"The worker cannot start a thread for {self.server}: {error}."
            raise ConnectionFailed(text, server=self.server) from error
        try:
            async with asyncio.timeout(within_seconds):
                return await asyncio.shield(self.thread)
        except TimeoutError as error:
            self.cut()
            text = f"{self.server} did not finish within {within_seconds:g} seconds, at {self.doing}."
            raise ServerTimeout(text, server=self.server) from error
        except asyncio.CancelledError:
            self.cut()
            raise

    def cut(self) -> None:
        """End the connection immediately; a thread at work here gets an error. Never raises."""
        self._is_cut = True
        self.connection.cut()

    def abort(self, released: Callable[[], None] = lambda: None) -> None:
        """Cut the connection; release its descriptors as soon as no thread works on it. Never raises."""
        self.cut()

        def close(_: object = None) -> None:
            self.connection.close()
            released()

        if self.thread is None or self.thread.done():
            close()
        else:
            self.thread.add_done_callback(close)


def start_thread(step: Callable[[], T]) -> asyncio.Future[T]:
    """Start a daemon thread: the worker's exit must not wait for one that hangs."""
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    outcome: asyncio.Future[T] = loop.create_future()
    outcome.add_done_callback(asyncio.Future.exception)  # else asyncio logs it if nobody waits any more

    def work() -> None:
        try:
            report = partial(outcome.set_result, context.run(step))
        except BaseException as error:  # noqa: BLE001 - reported to whoever waits for the step
            report = partial(outcome.set_exception, error)
        with suppress(RuntimeError):  # the event loop has ended
            loop.call_soon_threadsafe(report)

    threading.Thread(target=work, name="mail session", daemon=True).start()
    return outcome
