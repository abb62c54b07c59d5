"""Asks the gateway now and then whether it is there: a long poll would not tell for half a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from worker.errors import EngineError
from worker.job.runtime import Connection

_PAUSE_SECONDS = 5.0


@asynccontextmanager
async def probed(connection: Connection, ask: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Tell `connection` of every answer to a question asked every few seconds, while the block runs.

    No answer is no news: the polls find out by themselves, and a client may not be allowed to ask this.
    """
    task = asyncio.create_task(_probe(connection, ask), name="probe of the gateway")
    try:
        yield
    finally:
        task.cancel()


async def _probe(connection: Connection, ask: Callable[[], Awaitable[object]]) -> None:
    while True:
        asked_at = time.monotonic()
        with suppress(EngineError):
            await ask()
            connection.answered(asked_at)
        await asyncio.sleep(_PAUSE_SECONDS)
