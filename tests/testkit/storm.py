"""What a storm is made of: an SMTP server with faults, a connection that can be cut, worker processes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import sys
import time
from collections import defaultdict
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

_LIMIT = 1 << 22
_OURS = ("EMAIL_WORKER_", "ZEEBE_", "CAMUNDA_", "SECRET_", "OTEL_")


@dataclass(frozen=True)
class Faults:
    """How likely a fault is at each step of an SMTP dialogue, from 0 to 1."""

    refusal: float = 0.0
    cut_before_message: float = 0.0
    cut_after_end: float = 0.0
    slow_answer: float = 0.0
    slow_seconds: float = 0.0


@dataclass
class SmtpSink:
    """Takes emails, with faults; `stored` holds when each subject was taken, with its Message-ID."""

    faults: Faults = Faults()
    chance: random.Random = field(default_factory=lambda: random.Random(17))
    stored: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    port: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[SmtpSink]:
        """Take connections while the block runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LIMIT)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._converse(reader, writer)
        writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 storm ESMTP\r\n")
        while line := await reader.readline():
            verb = line.split()[0].upper()
            if verb == b"EHLO":
                writer.write(b"250-storm\r\n250 PIPELINING\r\n")
            elif verb == b"RCPT" and self._happens(self.faults.refusal):
                writer.write(b"451 4.3.0 not now\r\n")
            elif verb == b"DATA" and self._happens(self.faults.cut_before_message):
                raise ConnectionResetError
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                await self._take(reader, writer)
            else:
                writer.write(b"250 ok\r\n")

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            if not (line := await reader.readline()):
                return
            content += line
        if content == b".\r\n":
            writer.write(b"554 no valid recipients\r\n")
            return
        self.stored[_header(content, b"Subject")].append((time.monotonic(), _header(content, b"Message-ID")))
        if self._happens(self.faults.cut_after_end):
            raise ConnectionResetError
        if self._happens(self.faults.slow_answer):
            await asyncio.sleep(self.faults.slow_seconds)
        writer.write(b"250 taken\r\n")

    def _happens(self, likelihood: float) -> bool:
        return self.chance.random() < likelihood


def _header(content: bytes, name: bytes) -> str:
    found = re.search(rb"^" + name + rb": *(.*?)\r$", content, re.MULTILINE | re.IGNORECASE)
    return found[1].decode() if found else ""


class Link:
    """A TCP connection to a server that can be cut, and refused until it is mended."""

    def __init__(self, target: str | int) -> None:
        self._target = int(str(target).rpartition(":")[2])
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Link]:
        """Pass everything on while the block runs."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._is_cut = True
        self.break_connections()

    def break_connections(self) -> None:
        """Break every connection; new ones are taken."""
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        """Take connections again."""
        self._is_cut = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._writers -= {writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


class StormWorker:
    """`email-worker run` as a process that logs to a file; it may be stopped, killed and started again."""

    def __init__(
        self,
        gateway: str,
        log: Path,
        environment: Mapping[str, str] | None = None,
        *,
        program: Sequence[str] = (),
    ) -> None:
        self._log = log
        self._program = program or (sys.executable, "-m", "worker", "run")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        ours = {
            "ZEEBE_ADDRESS": gateway,
            "EMAIL_WORKER_LOG_FORMAT": "json",
            "EMAIL_WORKER_HEALTH_PORT": "0",
        }
        self._environment = inherited | ours | dict(environment or {})
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, without waiting until it serves."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._program, stderr=log, env=self._environment
            )

    def signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self, *, within_seconds: float = 120) -> int:
        """Wait for the end; gives the exit code."""
        assert self._process is not None
        async with asyncio.timeout(within_seconds):
            return await self._process.wait()

    async def kill(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)
        await self.ended()

    def logged(self) -> list[dict[str, Any]]:
        """Its log so far; a line that was cut off by its end is left out."""
        lines = self._log.read_text("utf-8").splitlines() if self._log.exists() else []
        found = []
        for line in lines:
            with suppress(ValueError):
                found.append(json.loads(line))
        return found


@asynccontextmanager
async def workers(*fleet: StormWorker) -> AsyncIterator[None]:
    """Run workers while the block runs, and end whatever became of them."""
    for worker in fleet:
        await worker.start()
    try:
        yield
    finally:
        for worker in fleet:
            await worker.kill()


async def ends_of(engine: Any, instances: list[int], *, within_seconds: float) -> dict[int, str]:
    """Wait until every instance has ended or has an incident; gives "" or the incident's message."""

    def end(record: Any) -> str | None:
        if record.is_a("INCIDENT", "CREATED"):
            return str(record.value["errorMessage"])
        is_end = record.is_a("PROCESS_INSTANCE", "ELEMENT_COMPLETED") and record.value["bpmnElementType"]
        return "" if is_end == "PROCESS" else None

    async with asyncio.timeout(within_seconds):
        found = [
            await engine.wait_until(key, end, within_seconds=within_seconds, what="end") for key in instances
        ]
    return dict(zip(instances, found, strict=True))


def email(port: int, subject: str) -> dict[str, Any]:
    """The variables of a job that sends an email."""
    return {
        "authentication": {"type": "noAuth"},
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": {"from": "a@example.com", "to": ["b@example.org"], "subject": subject, "body": "hi"},
    }
