"""Reporting the outcome of a job: repeated until Camunda accepts it or the job is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from worker.errors import ResultRefused
from worker.job.decision import incident_text
from worker.job.engine_errors import CommandRefused, GatewayUnavailable, JobGone
from worker.job.gateway import COMMAND_TIMEOUT_SECONDS, Gateway
from worker.job.job import Job
from worker.job.lease import Lease
from worker.job.outcome import IGNORED, Completed, Failed, Outcome, Returned
from worker.masking import excerpt

log = structlog.get_logger(__name__)

_SHOWN_CHARACTERS = 1_000
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


async def settle(
    job: Job,
    outcome: Outcome,
    *,
    gateway: Gateway,
    lease: Lease,
    is_done: bool = False,
    on_delay: Callable[[], None] = lambda: None,
) -> Outcome:
    """Report the outcome to Camunda, and return the reported outcome.

    Only the report is repeated, never the work, until the gateway accepts it or the lease ends. `on_delay` is
    called before each repetition. A completion that Camunda refuses permanently becomes a failure with
    retries 0. `is_done`: the work has had an effect, so its outcome counts even if another worker has the
    job, as a result does. Raises JobGone, GatewayUnavailable if the lease ends first, and CommandRefused if
    that is refused too.
    """
    is_done = is_done or (isinstance(outcome, Completed) and outcome.code != IGNORED)
    loop = asyncio.get_running_loop()
    reported, pause_seconds = outcome, _FIRST_PAUSE_SECONDS
    began_at, may_be_accepted = loop.time(), False
    while True:
        if not is_done:
            _check(lease, reported, loop.time() - began_at if may_be_accepted else -1.0)
        try:
            await gateway.report(job, reported)
        except CommandRefused as error:
            if reported is not outcome:
                raise
            reported, pause_seconds = _refused(job, error), _FIRST_PAUSE_SECONDS
        except GatewayUnavailable as error:
            if lease.is_expired:
                raise
            may_be_accepted |= error.may_be_accepted
            log.info("report_retried", job_key=job.key, reason=str(error), pause_seconds=pause_seconds)
            on_delay()
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
        else:
            return reported


def _refused(job: Job, error: CommandRefused) -> Failed:
    refused = ResultRefused(f"Camunda refused the result ({excerpt(str(error), _SHOWN_CHARACTERS)}).")
    return Failed(refused.code, incident_text(job, refused), retries=0)


def _check(lease: Lease, outcome: Outcome, accepted_seconds: float) -> None:
    """Raise JobGone if another worker may have the job: a failure, also an ignored one, would end its run.

    `accepted_seconds`: how long ago Camunda may have accepted the outcome; negative if it has not.
    """
    if lease.is_expired:
        raise JobGone("The job's timeout has passed.")
    if not isinstance(outcome, Failed | Returned) or (isinstance(outcome, Failed) and not outcome.retries):
        return  # Camunda does not hand the job out again
    # The next report may take so long to arrive.
    if accepted_seconds >= 0 and accepted_seconds + COMMAND_TIMEOUT_SECONDS >= outcome.backoff_seconds:
        raise JobGone("Camunda may have accepted an earlier report, and another worker may have the job.")
