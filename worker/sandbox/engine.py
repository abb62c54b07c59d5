"""Camunda's engine in a separate process, with the queries of tests and demo."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from worker.sandbox.archive import engine_java
from worker.sandbox.child import Child, Listener, Service
from worker.sandbox.errors import SandboxError
from worker.sandbox.ports import reserved_port
from worker.sandbox.records import Record, Records

Found = TypeVar("Found")


@dataclass(frozen=True)
class Incident:
    """Why an instance does not continue; `job_key` is -1 if no job failed."""

    key: int
    job_key: int
    error_type: str
    message: str
    element_id: str


@dataclass(frozen=True)
class JobEvent:
    """A step in a job's life; `intent` is the engine's word for it: CREATED, FAILED, TIMED_OUT …."""

    intent: str
    job_key: int
    job_type: str
    retries: int
    error_message: str
    error_code: str
    backoff_seconds: float
    worker: str


class Engine(Service):
    """A running engine. Its clock, its instances and its diagrams live in memory and end with it."""

    name = "engine"

    def __init__(self, port: int, java: dict[str, Any]) -> None:
        super().__init__()
        self._port = port
        self._java = java
        self._records = Records()

    @classmethod
    @asynccontextmanager
    async def start(cls, port: int = 0, *, memory_mb: int | None = None) -> AsyncIterator[Engine]:
        """Run an engine on a port, 0 for a free one, until the context ends. Takes about 1 s.

        `memory_mb`: for Java's objects, default 512. The engine forgets nothing: thousands of jobs need more,
        or it answers ever more slowly.

        Its gateway listens on every interface of the machine and asks nobody who they are: it is for
        development and tests.
        """
        java = await asyncio.to_thread(engine_java)
        if memory_mb is not None:
            java = {**java, "memory_mb": memory_mb}
        with reserved_port(port) as taken:
            async with cls(taken, java) as engine:
                yield engine

    @property
    def address(self) -> str:
        """The address of the gRPC gateway, without TLS: host:port."""
        return f"127.0.0.1:{self._port}"

    async def restart(self) -> None:
        """Run a new, empty engine on the same port."""
        await self.kill()
        self._records = Records()
        arguments = {**self._java, "port": self._port}
        self._child = await Child.start(self.name, arguments, Listener(self._records.add, self._records.end))

    async def deploy(self, source: Path | str | bytes, name: str | None = None) -> None:
        """Deploy a BPMN file, or its bytes under a name such as "order.bpmn"."""
        if not isinstance(source, bytes):
            path = Path(source)
            source, name = await asyncio.to_thread(path.read_bytes), name or path.name
        content = base64.b64encode(source).decode()
        await self._running.ask("deploy", content=content, name=name or "process.bpmn")

    async def create_instance(self, process_id: str, variables: Mapping[str, Any] | None = None) -> int:
        """Start the latest version of a process; gives the key of the instance."""
        key = await self._running.ask(
            "create_instance", process_id=process_id, variables=dict(variables or {})
        )
        return int(key)

    async def cancel_instance(self, key: int) -> None:
        """Cancel a running instance and wait until it has ended."""
        await self._running.ask("cancel_instance", key=key)
        await self.wait_until(
            key,
            lambda record: record if _is_end(record, key, "ELEMENT_TERMINATED") else None,
            what="termination",
        )

    async def increase_time(self, seconds: float) -> None:
        """Move the engine's clock ahead: deadlines, backoffs and timers fall due."""
        await self._running.ask("increase_time", seconds=seconds)

    def listen(self, on_record: Callable[[Record], None]) -> None:
        """Call `on_record` with each record from now on, until the engine is restarted."""
        self._records.on_record = on_record

    async def wait_until(
        self,
        process_instance_key: int,
        find: Callable[[Record], Found | None],
        *,
        within_seconds: float = 30,
        what: str = "such event",
    ) -> Found:
        """Give what `find` first finds in a record of the instance, past or to come.

        `what` names the awaited thing in the SandboxError that is raised when the time is up.
        """
        return await self._records.first(process_instance_key, find, within_seconds=within_seconds, what=what)

    async def completed(self, process_instance_key: int, *, within_seconds: float = 30) -> dict[str, Any]:
        """Wait for the end of an instance; gives the process variables as they were then."""

        def ended(record: Record) -> bool | None:
            if _is_end(record, process_instance_key, "ELEMENT_TERMINATED"):
                raise SandboxError(f"Instance {process_instance_key} was cancelled.")
            return _is_end(record, process_instance_key, "ELEMENT_COMPLETED") or None

        await self.wait_until(process_instance_key, ended, within_seconds=within_seconds, what="end")
        return self.variables(process_instance_key)

    def variables(self, process_instance_key: int) -> dict[str, Any]:
        """Give the current process variables."""
        return {
            record.value["name"]: json.loads(record.value["value"])
            for record in self._records.of(process_instance_key)
            if record.value_type == "VARIABLE" and record.value["scopeKey"] == process_instance_key
        }

    def state(self, process_instance_key: int) -> str | None:
        """Tell whether an instance is ACTIVE, COMPLETED or TERMINATED; None if there is no such instance."""
        records = self._records.of(process_instance_key)
        for end in ("COMPLETED", "TERMINATED"):
            if any(_is_end(record, process_instance_key, f"ELEMENT_{end}") for record in records):
                return end
        return "ACTIVE" if records else None

    def incidents(self, process_instance_key: int) -> list[Incident]:
        """Give the incidents of the instance that nobody has resolved."""
        events = self._records.of(process_instance_key)
        resolved = {event.key for event in events if event.is_a("INCIDENT", "RESOLVED")}
        created = [event for event in events if event.is_a("INCIDENT", "CREATED")]
        return [_incident(event) for event in created if event.key not in resolved]

    async def incident(self, process_instance_key: int, *, within_seconds: float = 30) -> Incident:
        """Wait for an incident of the instance that nobody has resolved."""

        def unresolved(record: Record) -> Incident | None:
            open_ones = self.incidents(process_instance_key) if record.value_type == "INCIDENT" else []
            return next((incident for incident in open_ones if incident.key == record.key), None)

        return await self.wait_until(
            process_instance_key, unresolved, within_seconds=within_seconds, what="incident"
        )

    async def resolve(self, incident: Incident, *, retries: int = 1) -> None:
        """Give the incident's job new retries and resolve the incident."""
        if incident.job_key > 0:
            await self._running.ask("set_retries", job_key=incident.job_key, retries=retries)
        await self._running.ask("resolve_incident", key=incident.key)

    def job_events(self, process_instance_key: int) -> list[JobEvent]:
        """Give the steps of all jobs of an instance so far, oldest first."""
        records = self._records.of(process_instance_key)
        return [_job_event(record) for record in records if record.value_type == "JOB"]

    async def job_event(
        self, process_instance_key: int, intent: str, *, count: int = 1, within_seconds: float = 30
    ) -> JobEvent:
        """Wait for a step of a job, such as FAILED, or for its `count`-th time."""
        seen = 0

        def next_one(record: Record) -> JobEvent | None:
            nonlocal seen
            seen += record.is_a("JOB", intent)
            return _job_event(record) if seen == count else None

        return await self.wait_until(
            process_instance_key, next_one, within_seconds=within_seconds, what=f"job event {intent}"
        )


def _is_end(record: Record, instance: int, intent: str) -> bool:
    return record.is_a("PROCESS_INSTANCE", intent) and record.key == instance


def _incident(record: Record) -> Incident:
    return Incident(
        key=record.key,
        job_key=record.value["jobKey"],
        error_type=record.value["errorType"],
        message=record.value["errorMessage"],
        element_id=record.value["elementId"],
    )


def _job_event(record: Record) -> JobEvent:
    return JobEvent(
        intent=record.intent,
        job_key=record.key,
        job_type=record.value["type"],
        retries=record.value["retries"],
        error_message=record.value["errorMessage"],
        error_code=record.value["errorCode"],
        backoff_seconds=record.value["retryBackoff"] / 1000,
        worker=record.value["worker"],
    )
