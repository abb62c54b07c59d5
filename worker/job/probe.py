"""Checks every few seconds whether the gateway answers: a long poll would take half a minute to tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from worker.job.engine_errors import EngineError
from worker.job.runtime import Connection

_PAUSE_SECONDS = 5.0


@asynccontextmanager
async def probed(connection: Connection, ask: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Tell `connection` of every answer of the gateway, while the block runs.

    A missing answer is ignored: the polls notice it themselves, and a client may lack the permission to ask.
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
