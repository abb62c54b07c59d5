"""The pages for probes and for Prometheus: /health/live, /health/ready and /metrics."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from worker.event_loop import background
from worker.liveness import Liveness
from worker.metrics import CONTENT_TYPE, Metrics

_ASK_SECONDS = 2.0
# A connection stays open for one to two times as long: clients that say nothing must not use up descriptors.
_CONNECTION_SECONDS = 60.0
_SHUTDOWN_SECONDS = 1.0


class PortTaken(Exception):
    """The port of the pages is in use or not available."""


@asynccontextmanager
async def health_pages(host: str, port: int, liveness: Liveness, metrics: Metrics) -> AsyncIterator[None]:
    """Serve the pages while the block runs; port 0 means no pages. Raises PortTaken.

    They contain only numbers and names of operations, so they need no password.
    """
    if not port:
        yield
        return
    logging.getLogger("aiohttp.server").addFilter(_is_own_fault)
    runner = web.AppRunner(
        _application(liveness, metrics),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, UnicodeError) as error:
            raise PortTaken(_not_served(host, port, error)) from error
        async with background(_close_old_connections(runner), "connections to the health pages"):
            yield
    finally:
        await runner.cleanup()


async def _close_old_connections(runner: web.AppRunner) -> None:
    """Close the connections that have been open for long, again and again."""
    before: set[web.RequestHandler] = set()
    while server := runner.server:
        await asyncio.sleep(_CONNECTION_SECONDS)
        now = set(server.connections)
        for connection in before & now:
            connection.force_close()
        before = now


def _is_own_fault(line: logging.LogRecord) -> bool:
    """Tell whether aiohttp logs something else than a client that does not speak HTTP."""
    return line.exc_info is None or getattr(line.exc_info[1], "code", None) != HTTPStatus.BAD_REQUEST


async def check_port(host: str, port: int) -> str | None:
    """Return why the pages cannot be served there, or None; a worker that serves them already is fine."""
    if not port:
        return None
    try:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE and await _is_served(host, port):
            return None
        return _not_served(host, port, error)
    server.close()
    return None


async def _is_served(host: str, port: int) -> bool:
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=_ASK_SECONDS)) as session,
            session.get(f"http://{here}:{port}/health/live") as response,
        ):
            return "status" in await response.json()
    except (ClientError, OSError, ValueError, TypeError):
        return False


def _application(liveness: Liveness, metrics: Metrics) -> web.Application:
    async def live(_: web.Request) -> web.Response:
        return _page("alive", liveness.why_not_alive())

    async def ready(_: web.Request) -> web.Response:
        return _page("ready", liveness.why_not_ready())

    async def figures(_: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.add_routes(
        [
            web.get("/health/live", live),
            web.get("/health/ready", ready),
            web.get("/metrics", figures),
        ]
    )
    return application


def _page(state: str, reasons: list[str]) -> web.Response:
    if not reasons:
        return web.json_response({"status": state})
    return web.json_response({"status": f"not {state}", "reasons": reasons}, status=503)


def _not_served(host: str, port: int, error: OSError | UnicodeError) -> str:
    number = error.errno if isinstance(error, OSError) else None
    # A name that cannot be looked up has a negative number, or none.
    reason = os.strerror(number).lower() if number and number > 0 else "no such address"
    is_host = reason == "no such address" or number == errno.EADDRNOTAVAIL
    another = "EMAIL_WORKER_HEALTH_HOST" if is_host else "EMAIL_WORKER_HEALTH_PORT, or 0 for none"
    return f"The health pages cannot be served at {host}:{port} ({reason}); choose another {another}."
