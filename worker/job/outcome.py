"""What becomes of a job: pure decisions, from an answer or an exception to one command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.errors import EmailError, InternalError, ResultTooLarge
from worker.job.headers import ConnectorHeaders
from worker.job.job import Job
from worker.models.base import Result
from worker.secret_store import Mask

_MESSAGE_CHARACTERS = 2_000
_USUAL_RETRIES = 3
_LONGEST_BACKOFF_SECONDS = 3_600.0


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
class HandedBack:
    """The job was not worked on here: another worker, or this one later, gets it with the same retries."""

    message: str
    backoff_seconds: float = 0.0
    code: str = "HANDED_BACK"


Outcome = Completed | Failed | HandedBack


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How long to wait before the next attempt: doubling, and spread by `jitter` (0 to 1, random)."""

    first_backoff_seconds: float
    jitter: float

    def backoff_seconds(self, retries: int) -> float:
        """Return the pause when `retries` were left, this attempt included; 3 is the usual start."""
        doubled = self.first_backoff_seconds * 2.0 ** max(0, _USUAL_RETRIES - retries)
        return min(doubled, _LONGEST_BACKOFF_SECONDS) * (0.8 + 0.4 * self.jitter)


def to_json(result: Result | list[Any], mask: Mask) -> Any:
    """Return a result, or a list of them, as JSON values, without a secret that a server echoed."""
    if isinstance(result, list):
        return [to_json(item, mask) for item in result]
    variables = result.to_variables()
    return mask.hide_in(variables) if result.quotes_server else variables


def decide(job: Job, result: Any, *, max_bytes: int) -> Completed:
    """Turn a result (JSON values) into the job's variables; raises ResultTooLarge."""
    variables = ConnectorHeaders.of(job.headers).variables_for(result)
    size = len(json.dumps(variables))
    if size > max_bytes:
        raise ResultTooLarge(
            f"The result of {job.type} is {size:,} bytes, and the engine takes {max_bytes:,};"
            " ask for fewer or smaller messages.",
            bytes=size,
            limit=max_bytes,
        )
    return Completed(variables)


def decide_failure(job: Job, error: Exception, retry: RetryRule, hide: Callable[[str], str]) -> Failed:
    """Turn an exception into a failure; what is not ours becomes INTERNAL_ERROR without its text.

    `hide` masks secrets; it comes before the message is cut, as it would not know half a secret.
    """
    if not isinstance(error, EmailError):
        error = InternalError(
            f"The worker failed unexpectedly at {job.type} ({type(error).__name__});"
            f" its log has the trace under job key {job.key}."
        )
    message = hide(f"{error.code}: {error.message}")[:_MESSAGE_CHARACTERS]
    if not error.is_retryable:
        return Failed(error.code, message, retries=0)
    return Failed(
        error.code,
        message,
        retries=max(0, job.retries - 1),
        backoff_seconds=retry.backoff_seconds(job.retries),
    )
