"""What the benchmark starts for itself: an engine, sinks for mail, a Dovecot with filled folders."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyzeebe import ZeebeClient, create_insecure_channel
from testkit.accounts import Account
from testkit.bpmn import one_task_process
from testkit.certificates import Certificates
from testkit.dovecot import Dovecot, DovecotOptions
from testkit.processes import ServerProcess, find_program, free_port

HOST = "127.0.0.1"
_CREATIONS_AT_ONCE = 64
_INSTANCE_MILLISECONDS = 120_000
_READY_SECONDS = 90
# What a list or a search shows goes into Dovecot's cache when mail is indexed, as it does in daily use.
_CACHED = "mail_always_cache_fields = hdr.message-id hdr.subject hdr.from hdr.date date.received size.virtual"


class Engine:
    """A running engine, asked through its gateway alone."""

    def __init__(self, address: str, pid: int, files: Path) -> None:
        self.address = address
        self.pid = pid
        self._files = files
        self._client = ZeebeClient(create_insecure_channel(address))

    async def deploy(self, process_id: str, task_type: str) -> None:
        """Deploy a process of one task."""
        file = self._files / f"{process_id}.bpmn"
        file.write_bytes(one_task_process(process_id, task_type, headers={"resultVariable": "result"}))
        await self._client.deploy_resource(file)

    async def start_instances(self, process_id: str, count: int, variables: Mapping[str, Any]) -> None:
        """Start many instances; their jobs wait for a worker."""
        turns = asyncio.Semaphore(_CREATIONS_AT_ONCE)

        async def start_one() -> None:
            async with turns:
                await self._client.run_process(process_id, dict(variables))

        await asyncio.gather(*(start_one() for _ in range(count)))

    async def run_instances(
        self, process_id: str, count: int, variables: Mapping[str, Any], *, at_once: int
    ) -> None:
        """Run so many instances to their end, starting one when another has ended.

        The more jobs wait in the embedded engine, the longer it takes for each: from 4 ms with 100 of them to
        18 ms with 2,000. So few wait, but always enough for a worker.
        """
        turns = asyncio.Semaphore(at_once)

        async def run_one() -> None:
            async with turns:
                await self._client.run_process_with_result(
                    process_id, dict(variables), timeout=_INSTANCE_MILLISECONDS
                )

        await asyncio.gather(*(run_one() for _ in range(count)))


@asynccontextmanager
async def running_engine() -> AsyncIterator[Engine]:
    """Run an engine in a process of its own."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.engine_process", str(port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None  # noqa: S101 - a pipe was asked for
        async with asyncio.timeout(_READY_SECONDS):
            while await process.stderr.readline() != b"engine ready\n":
                pass
        drain = asyncio.create_task(process.stderr.read())
        with tempfile.TemporaryDirectory() as files:
            yield Engine(f"{HOST}:{port}", process.pid, Path(files))
        drain.cancel()
    finally:
        process.kill()
        await process.wait()


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Run Postfix's smtp-sink, which takes every mail and keeps none; give its port."""
    port = free_port()
    program = find_program("smtp-sink", "postfix")
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    with _process([program, *as_nobody, f"{HOST}:{port}", "1000"], port):
        yield port


@contextmanager
def own_sink(*options: str) -> Iterator[int]:
    """Run bench.sink, for what smtp-sink cannot do: STARTTLS, and answers that take long."""
    port = free_port()
    with _process([sys.executable, "-m", "bench.sink", str(port), *options], port):
        yield port


@contextmanager
def _process(command: Sequence[str | Path], port: int) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as directory:
        server = ServerProcess(command, Path(directory) / "log")
        server.start([port])
        try:
            yield
        finally:
            server.kill()


@dataclass(frozen=True)
class MailStore:
    """A Dovecot, the authority that its certificate is from, and an account for each purpose."""

    dovecot: Dovecot
    certificates: Certificates

    def account(self, name: str, messages: int) -> Account:
        """Make an account with so many numbered messages in its INBOX, indexed, and an empty Archive."""
        account = self.dovecot.add_user(name, "s3cret")
        self.dovecot.populate(name, messages)
        self.dovecot.folder(name, "Archive").create()
        return account


@contextmanager
def mail_store() -> Iterator[MailStore]:
    """Run a Dovecot."""
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates(Path(directory))
        with Dovecot(certificates.server, DovecotOptions(extra=_CACHED)) as dovecot:
            yield MailStore(dovecot, certificates)
