"""Looks into a job worker's process: when jobs come and go, and how late its event loop is.

Both workers talk to the engine through pyzeebe's adapter, so the same probe sits in the same place in both.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyzeebe.grpc_internals.zeebe_adapter import ZeebeAdapter

_PULSE_SECONDS = 0.005


@dataclass(frozen=True)
class Moment:
    """What this process has used up to now."""

    at: float = field(default_factory=time.perf_counter)
    wall_clock: float = field(default_factory=time.time)
    cpu_seconds: float = field(default_factory=time.process_time)
    resident_bytes: int = field(default_factory=lambda: resident_bytes(os.getpid()))


class Probe:
    """Notes the jobs of one task type; `done` is set when `expected` of them are completed."""

    def __init__(self, task_type: str, expected: int) -> None:
        self.done = asyncio.Event()
        self._task_type = task_type
        self._expected = expected
        self._activated_at: dict[int, float] = {}
        self._latencies: list[float] = []
        self._lags: list[float] = []
        self._returned = 0
        self._began: Moment | None = None
        self._ended: Moment | None = None

    def attach(self) -> None:
        """Put the probe between the worker and pyzeebe's adapter."""
        activate, complete, fail = (
            ZeebeAdapter.activate_jobs,
            ZeebeAdapter.complete_job,
            ZeebeAdapter.fail_job,
        )

        async def noted_activate(adapter: ZeebeAdapter, task_type: str, **how: Any) -> AsyncIterator[Any]:
            async for job in activate(adapter, task_type, **how):
                if task_type == self._task_type:
                    self._note_activation(job.key)
                yield job

        async def noted_complete(adapter: ZeebeAdapter, job_key: int, variables: Any) -> Any:
            answer = await complete(adapter, job_key, variables)
            self._note_completion(job_key)
            return answer

        async def noted_fail(adapter: ZeebeAdapter, *arguments: Any, **named: Any) -> Any:
            self._returned += 1
            return await fail(adapter, *arguments, **named)

        ZeebeAdapter.activate_jobs = noted_activate  # type: ignore[method-assign,assignment]
        ZeebeAdapter.complete_job = noted_complete  # type: ignore[method-assign,assignment]
        ZeebeAdapter.fail_job = noted_fail  # type: ignore[method-assign,assignment]

    async def watch_loop(self) -> None:
        """Measure how late the event loop wakes a sleeper, while jobs are under way."""
        while True:
            due = time.perf_counter() + _PULSE_SECONDS
            await asyncio.sleep(_PULSE_SECONDS)
            if self._began is not None and not self.done.is_set():
                self._lags.append(time.perf_counter() - due)

    def report(self) -> None:
        """Print all that was seen as one line of JSON."""
        assert self._began is not None  # noqa: S101 - called when done is set
        assert self._ended is not None  # noqa: S101
        seen = {
            "jobs": len(self._latencies),
            "seconds": self._ended.at - self._began.at,
            "cpu_seconds": self._ended.cpu_seconds - self._began.cpu_seconds,
            "resident_before": self._began.resident_bytes,
            "resident_after": self._ended.resident_bytes,
            "ended_at": self._ended.wall_clock,
            "latencies": self._latencies,
            "lags": self._lags,
            "failed_or_returned": self._returned,
        }
        sys.stdout.write(json.dumps(seen) + "\n")

    def _note_activation(self, job_key: int) -> None:
        if self._began is None:
            self._began = Moment()
        self._activated_at[job_key] = time.perf_counter()

    def _note_completion(self, job_key: int) -> None:
        now = time.perf_counter()
        activated_at = self._activated_at.pop(job_key, None)
        if activated_at is None:
            return
        self._latencies.append(now - activated_at)
        if len(self._latencies) == self._expected:
            self._ended = Moment()
            self.done.set()


def resident_bytes(pid: int) -> int:
    """The memory that a process has in use (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
