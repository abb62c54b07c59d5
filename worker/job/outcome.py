"""The possible outcomes of a job, each with its command to Camunda."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

IGNORED = "IGNORED"
"""The code of a completion by `ignoreError`: without the result, and perhaps without the work."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The job is done; `variables` go to the process."""

    variables: Mapping[str, Any]
    code: str = "COMPLETED"


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed; with retries 0 a person sees `message` as an incident."""

    code: str
    message: str
    retries: int
    backoff_seconds: float = 0.0
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BpmnError:
    """The job throws a BPMN error, for a boundary event or an event sub-process to catch."""

    code: str
    message: str
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Returned:
    """The job was not run: Camunda gives it to a worker again later, with the same retries."""

    message: str
    backoff_seconds: float = 0.0
    variables: Mapping[str, Any] = field(default_factory=dict)
    code: str = "RETURNED"


Outcome = Completed | Failed | BpmnError | Returned


def outcome_class(outcome: Outcome) -> str:
    """Return one of a few dozen codes; never the code of a BPMN error, which may be any text."""
    return "BPMN_ERROR" if isinstance(outcome, BpmnError) else outcome.code
