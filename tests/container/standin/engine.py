"""Stands in for camunda/camunda: Camunda's engine in memory at port 26500, its readiness at port 9600."""

from __future__ import annotations

import asyncio

from container.standin.stopping import until_stopped
from container.standin.web import serve_pages

from worker.sandbox import Engine


async def main() -> None:
    """Run until SIGTERM."""
    async with Engine.start(26500):
        await serve_pages(9600, {"/actuator/health/readiness": ready})
        await until_stopped()


async def ready() -> dict[str, str]:
    """What Camunda answers: there is nothing to wait for once the page is served."""
    return {"status": "UP"}


asyncio.run(main())
