"""Decides the outcome of a job from its result or its failure; without input and output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from worker.errors import EmailError, ExpressionFailed, InternalError, ResultTooLarge
from worker.job.expressions import error_scope, examine, map_result, result_scope
from worker.job.headers import ConnectorHeaders
from worker.job.job import Job
from worker.job.outcome import BpmnError, Completed, Failed, Outcome
from worker.masking import Mask
from worker.models.base import Result

_MESSAGE_CHARACTERS = 2_000
_USUAL_RETRIES = 3
_LONGEST_BACKOFF_SECONDS = 3_600.0
_GROWTH = 16.0
_MOST_FAILURES = 30


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How long to wait before the next attempt: longer each time, and spread by `jitter` (0 to 1, random).

    With the usual three attempts, the last one comes more than five minutes after the first, so the restart
    of a mail server causes no incident. `first_retries`: the retries with which the job started, if known.
    """

    first_backoff_seconds: float
    jitter: float
    first_retries: int = _USUAL_RETRIES

    def backoff_seconds(self, retries: int) -> float:
        """Return the backoff if `retries` were left, this attempt included."""
        failures = max(self.first_retries, _USUAL_RETRIES) - retries
        backoff = self.first_backoff_seconds * _GROWTH ** min(max(0, failures), _MOST_FAILURES)
        return min(backoff, _LONGEST_BACKOFF_SECONDS) * (0.8 + 0.4 * self.jitter)


def to_json(result: Result | list[Any]) -> Any:
    """Return a result, or a list of them, as JSON values."""
    return [to_json(item) for item in result] if isinstance(result, list) else result.to_variables()


def decide(job: Job, headers: ConnectorHeaders, result: Any, *, mask: Mask, max_bytes: int) -> Outcome:
    """Turn a result (JSON values) into variables, or into the decision of the error expression.

    Raises ExpressionFailed and ResultTooLarge.
    """
    variables = {headers.result_variable: result} if headers.result_variable else {}
    variables |= map_result(headers.result_expression, result)
    scope = {**variables, **result_scope(result)}
    outcome = _examined(job, headers, scope, mask) or Completed(variables)
    _check_size(job, outcome, max_bytes)
    return outcome


def after_the_work(error: Exception) -> Exception:
    """Return the failure to use a result, with the addition that the work itself is done."""
    if not isinstance(error, ExpressionFailed | ResultTooLarge):
        return error
    what = error.message.partition("; ")[0].removesuffix(".")
    advice = "the email is already sent, moved or deleted, and this is not repeated"
    return type(error)(f"{what}; {advice}: cancel or migrate the instance.", **error.details)


def decide_failure(
    job: Job, headers: ConnectorHeaders, error: Exception, retry: RetryRule, *, mask: Mask, max_bytes: int
) -> Outcome:
    """Turn an exception into a failure, or into the decision of the error expression.

    An unexpected exception becomes INTERNAL_ERROR without its text. An error expression that fails is an
    incident that names it and the failure that it should have decided.
    """
    failure = _email_error(job, error, mask)
    failed = _failed(job, headers, failure, retry)
    if isinstance(failure, ExpressionFailed):
        return failed
    try:
        outcome = _examined(job, headers, error_scope(failure), mask) or failed
        _check_size(job, outcome, max_bytes)
    except (ExpressionFailed, ResultTooLarge) as broken:
        asked = f"it was asked about {failure.code}: {failure.message}"
        message = f"{broken.code} in {job.type}: {broken.message.removesuffix('.')}; {asked}"
        return Failed(broken.code, mask.hide(message)[:_MESSAGE_CHARACTERS], retries=0)
    return outcome


def _email_error(job: Job, error: Exception, mask: Mask) -> EmailError:
    """Return the failure as people may see it; masked before it is cut."""
    if isinstance(error, EmailError):
        return type(error)(mask.hide(error.message), **mask.hide_in(error.details))
    return InternalError(
        f"The worker failed unexpectedly at {job.type} ({type(error).__name__});"
        f" its log has the trace under job key {job.key}."
    )


def _examined(job: Job, headers: ConnectorHeaders, scope: Mapping[str, Any], mask: Mask) -> Outcome | None:
    """Return what the error expression decides, with a message that people may see."""
    outcome = examine(headers.error_expression, scope, job)
    if isinstance(outcome, Failed | BpmnError):
        return replace(outcome, message=mask.hide(outcome.message)[:_MESSAGE_CHARACTERS])
    return outcome


def incident_text(job: Job, error: EmailError) -> str:
    """Return what a person reads in Operate, as one sentence: what, where, and what to do.

    The job type names the operation. The failure's sentence names server, folder or field, and may say what
    to do after a semicolon.
    """
    what = f"{error.code} in {job.type}: {error.message}"
    if "; " in error.message:
        return what[:_MESSAGE_CHARACTERS]
    remedy = error.remedy[0].lower() + error.remedy[1:]
    return f"{what.removesuffix('.')[: _MESSAGE_CHARACTERS - len(remedy) - 2]}; {remedy}"


def _failed(job: Job, headers: ConnectorHeaders, error: EmailError, retry: RetryRule) -> Failed:
    message = incident_text(job, error)
    if not error.is_retryable:
        return Failed(error.code, message, retries=0)
    backoff_seconds = headers.retry_backoff_seconds
    if backoff_seconds is None:
        backoff_seconds = retry.backoff_seconds(job.retries)
    # A server that asks to wait refuses every attempt before.
    backoff_seconds = max(backoff_seconds, error.details.get("retryAfterSeconds", 0))
    return Failed(error.code, message, retries=max(0, job.retries - 1), backoff_seconds=backoff_seconds)


def _check_size(job: Job, outcome: Outcome, max_bytes: int) -> None:
    size = len(json.dumps(outcome.variables))
    if size > max_bytes:
        raise ResultTooLarge(
            f"The result of {job.type} is {size:,} bytes, and Camunda accepts {max_bytes:,};"
            " ask for fewer or smaller emails.",
            bytes=size,
            limit=max_bytes,
        )
