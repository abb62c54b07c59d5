"""Workers that serve an engine: on the loop of the test, or as a process that can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from worker import EmailWorker
from worker.secret_store import SecretStore
from worker.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def email_worker(**environment: str) -> EmailWorker:
    """A worker that sees this environment alone."""
    settings = Settings.from_environment(environment)
    secrets = SecretStore(
        environment, prefix=settings.worker.secret_prefix, directory=settings.worker.secrets_dir
    )
    return EmailWorker(settings, secrets)


@asynccontextmanager
async def serving(gateway: str, **environment: str) -> AsyncIterator[EmailWorker]:
    """Serve the engine at `gateway` while the block runs, then stop in an orderly way."""
    defaults = {
        "ZEEBE_ADDRESS": gateway,
        "EMAIL_WORKER_SHUTDOWN_GRACE_SECONDS": "5",
        "EMAIL_WORKER_HEALTH_PORT": "0",
    }
    environment = defaults | environment
    stop = asyncio.Event()
    async with email_worker(**environment) as worker:
        served = asyncio.create_task(worker.serve(stop))
        try:
            yield worker
        finally:
            stop.set()
            await served


class WorkerProcess:
    """`email-worker run` as a process; its log lines are events to wait for."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[dict[str, Any]] = []

    @classmethod
    @asynccontextmanager
    async def start(cls, gateway: str, **environment: str) -> AsyncIterator[WorkerProcess]:
        """Start it and wait until it has reached the gateway."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker",
            "run",
            stderr=asyncio.subprocess.PIPE,
            env=_without_ours(os.environ)
            | {
                "ZEEBE_ADDRESS": gateway,
                "EMAIL_WORKER_LOG_FORMAT": "json",
                "EMAIL_WORKER_HEALTH_PORT": "0",
            }
            | environment,
        )
        worker = cls(process)
        try:
            await worker.logged("worker_started")
            yield worker
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    async def logged(self, event: str, *, within_seconds: float = 60) -> dict[str, Any]:
        """Read on until a line of this event; gives its fields."""
        assert self._process.stderr is not None
        async with asyncio.timeout(within_seconds):
            async for line in self._process.stderr:
                fields = json.loads(line) if line.startswith(b"{") else {"event": line.decode()}
                self.events.append(fields)
                if fields["event"] == event:
                    return fields
        raise AssertionError(f"the worker ended without {event}: {self.events}")

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def ended(self, *, within_seconds: float = 60) -> int:
        """Wait for the end; gives the exit code."""
        async with asyncio.timeout(within_seconds):
            await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode


def _without_ours(environment: os._Environ[str]) -> dict[str, str]:
    ours = ("EMAIL_WORKER_", "ZEEBE_", "CAMUNDA_", "SECRET_", "OTEL_")
    return {name: value for name, value in environment.items() if not name.startswith(ours)}
