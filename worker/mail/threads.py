"""The threads in which sessions with mail servers block: one for each session that is at work."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from worker.errors import ServerTimeout

T = TypeVar("T")


class BlockingSession(Protocol):
    """A session that blocks. `doing`: the current command. `thread`: the last step, done or not."""

    server: str
    doing: str
    thread: asyncio.Future[Any] | None

    def cut(self) -> None:
        """End the connection from another thread, which ends the work. Never raises."""

    def close(self) -> None:
        """Release the descriptors when no thread works here any more. Never raises."""


async def run_step(session: BlockingSession, step: Callable[[], T], within_seconds: float) -> T:
    """Run a step of a session in a thread; cancellation and the time limit cut its connection.

    Raises ServerTimeout.
    """
    session.thread = _start(step)
    try:
        async with asyncio.timeout(within_seconds):
            return await asyncio.shield(session.thread)
    except TimeoutError as error:
        session.cut()
        raise ServerTimeout(
            f"{session.server} did not finish within {within_seconds:g} seconds, at {session.doing}.",
            server=session.server,
        ) from error
    except asyncio.CancelledError:
        session.cut()
        raise


def release(session: BlockingSession, released: Callable[[], None] = lambda: None) -> None:
    """Cut a connection; release its descriptors as soon as no thread works on it. Never raises."""
    session.cut()

    def close(_: object = None) -> None:
        session.close()
        released()

    if session.thread is None or session.thread.done():
        close()
    else:
        session.thread.add_done_callback(close)


def _start(step: Callable[[], T]) -> asyncio.Future[T]:
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
