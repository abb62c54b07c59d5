"""What logs, metrics and traces say about a finished job. Never its contents."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from worker.job.job import Job
from worker.job.outcome import BpmnError, Failed, Outcome
from worker.mail.command_trace import CommandTrace, Observer


@dataclass(frozen=True, slots=True)
class JobReport:
    """One run of a job. Times are monotonic seconds.

    `operation`: the job type of the operation, or that of the job if the operation is unknown. `is_settled`:
    Camunda has accepted the outcome. `server`: `host:port`, if known.
    """

    job: Job
    operation: str
    outcome: Outcome
    is_settled: bool
    server: str | None
    started_at: float
    ended_at: float
    trace: CommandTrace

    @property
    def outcome_class(self) -> str:
        """One of a few dozen codes of the worker; never the code of a BPMN error, which may be any text."""
        if not self.is_settled:
            return "NOT_REPORTED"
        return "BPMN_ERROR" if isinstance(self.outcome, BpmnError) else self.outcome.code

    @property
    def is_incident(self) -> bool:
        """Whether it became an incident."""
        return self.is_settled and isinstance(self.outcome, Failed) and not self.outcome.retries

    @property
    def level(self) -> int:
        """The level of its line in the log: an incident is an error, a failed attempt a warning."""
        if self.is_incident:
            return logging.ERROR
        return logging.WARNING if isinstance(self.outcome, Failed) else logging.INFO

    @property
    def seconds(self) -> float:
        """How long it took, from activation to the last command."""
        return self.ended_at - self.started_at

    def line(self) -> dict[str, Any]:
        """Return the fields of its line in the log; those of a failure include its message."""
        fields = {
            "operation": self.operation,
            "outcome": self.outcome_class,
            "server": self.server,
            "seconds": round(self.seconds, 3),
            "server_seconds": round(self.trace.seconds, 3),
            "commands": self.trace.command_count,
            "round_trips": self.trace.round_trips,
        }
        if isinstance(self.outcome, Failed):
            fields |= {
                "code": self.outcome.code,
                "retries": self.outcome.retries,
                "incident": self.is_incident,
                "message": self.outcome.message,
            }
        return fields


def _ignore(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Observers:
    """Callbacks for what happens to jobs. `step_begun` is called from whichever thread takes the step."""

    job_ended: Callable[[JobReport], None] = _ignore
    report_retried: Callable[[], None] = _ignore
    step_begun: Observer = _ignore
