"""Reporting the outcome of a job: repeated until Camunda accepts it or the job is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from worker.errors import ResultRefused
from worker.job.decision import incident_text
from worker.job.engine_errors import CommandRefused, GatewayUnavailable, JobGone
from worker.job.gateway import Gateway
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
        # A failure, also an ignored one, would end the attempt of the worker that has the job now.
        if lease.is_expired and not is_done:
            raise JobGone("The job's timeout has passed.")
        if may_be_accepted and not is_done and _is_back(reported, loop.time() - began_at):
            raise JobGone("Camunda may have accepted an earlier report, and another worker may have the job.")
        try:
            await gateway.report(job, reported)
        except CommandRefused as error:
            if reported is not outcome:
                raise
            refused = ResultRefused(f"Camunda refused the result ({excerpt(str(error), _SHOWN_CHARACTERS)}).")
            reported = Failed(refused.code, incident_text(job, refused), retries=0)
            pause_seconds = _FIRST_PAUSE_SECONDS
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


def _is_back(outcome: Outcome, seconds: float) -> bool:
    """Tell whether Camunda hands the job out again `seconds` after it has accepted this outcome."""
    if not isinstance(outcome, Failed | Returned) or (isinstance(outcome, Failed) and not outcome.retries):
        return False
    return seconds >= outcome.backoff_seconds
