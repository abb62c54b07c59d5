"""What the benchmark starts for itself: mail servers, Camunda's engine, both workers."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from pyzeebe import ZeebeClient, create_insecure_channel
from testkit.bpmn import one_task_process
from testkit.certificates import Certificates
from testkit.dovecot import Dovecot, DovecotOptions
from testkit.processes import ServerProcess, find_program, free_port

from bench.operations import OPERATIONS, SIDES

HOST = "127.0.0.1"
_INSTANCE_SECONDS = 80
# The fields of lists and searches are in Dovecot's cache, as they are in daily use.
_CACHED = "mail_always_cache_fields = hdr.message-id hdr.subject hdr.from hdr.date date.received size.virtual"
_INHERITED = ("PATH", "HOME", "PYTHONPATH")
_ENGINE_READY_SECONDS = 90


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Run Postfix's smtp-sink, which takes every email and keeps none; give its port."""
    port = free_port()
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as directory:
        program = find_program("smtp-sink", "postfix")
        command = [str(program), *as_nobody, f"{HOST}:{port}", "1000"]
        server = ServerProcess(command, Path(directory) / "log")
        server.start([port])
        try:
            yield port
        finally:
            server.kill()


@contextmanager
def dovecot() -> Iterator[Dovecot]:
    """Run a Dovecot without accounts."""
    with tempfile.TemporaryDirectory() as directory:
        certificate = Certificates(Path(directory)).server
        with Dovecot(certificate, DovecotOptions(extra=_CACHED)) as running:
            yield running


class Cluster:
    """The embedded engine with one process for each operation and side, and a client of its gateway."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.worker_pids: dict[str, int] = {}
        self._client = ZeebeClient(create_insecure_channel(address))

    async def run(self, job_type: str, variables: Mapping[str, Any]) -> None:
        """Run an instance of the process with this task to its end."""
        running = self._client.run_process_with_result(
            job_type, dict(variables), timeout=1_000 * _INSTANCE_SECONDS, variables_to_fetch=["nothing"]
        )
        try:
            await asyncio.wait_for(running, _INSTANCE_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"{job_type} has not ended within {_INSTANCE_SECONDS} s") from None

    async def start(self, job_type: str, variables: Mapping[str, Any]) -> None:
        """Start an instance and leave it."""
        await self._client.run_process(job_type, dict(variables))

    async def deploy(self) -> None:
        """Deploy a process for each job type of both sides, named like the job type."""
        with tempfile.TemporaryDirectory() as directory:
            for side, task in itertools.product(SIDES, {operation.task for operation in OPERATIONS}):
                file = Path(directory) / f"{side}.{task}.bpmn"
                file.write_bytes(one_task_process(file.stem, file.stem, headers={"resultVariable": "result"}))
                await self._client.deploy_resource(file)


@asynccontextmanager
async def running_cluster(*sides: str) -> AsyncIterator[Cluster]:
    """Run an engine with a process for each job type, and the default workers of these sides."""
    port = free_port()
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(_process("bench.engine_process", str(port)))
        assert engine.stdout is not None  # noqa: S101 - a pipe was asked for
        async with asyncio.timeout(_ENGINE_READY_SECONDS):
            while await engine.stdout.readline() != b"engine ready\n":
                pass
        cluster = Cluster(f"{HOST}:{port}")
        await cluster.deploy()
        settings = {"ZEEBE_ADDRESS": cluster.address, "EMAIL_WORKER_HEALTH_PORT": "0"}
        for side in sides:
            words = ("worker", "run") if side == "email" else ("bench.plain_worker", cluster.address)
            worker = await stack.enter_async_context(_process(*words, **settings))
            cluster.worker_pids[side] = worker.pid
        yield cluster


@asynccontextmanager
async def _process(*words: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a module with as little of our environment as possible, and kill it at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _INHERITED if name in os.environ} | environment,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def resident_bytes(pid: int) -> int:
    """The memory that a process has in use (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
