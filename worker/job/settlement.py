"""Reporting the outcome of a job: repeated until Camunda accepts it or the job is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from worker.errors import ResultRefused
from worker.job.decision import incident_text
from worker.job.engine_errors import CommandRefused, GatewayUnavailable
from worker.job.gateway import Gateway
from worker.job.job import Job
from worker.job.lease import Lease
from worker.job.outcome import Failed, Outcome
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
    on_delay: Callable[[], None] = lambda: None,
) -> Outcome:
    """Report the outcome to Camunda, and return the reported outcome.

    Only the report is repeated, never the work, until the gateway accepts it or the lease ends. `on_delay` is
    called before each repetition. A completion that Camunda refuses permanently becomes a failure with
    retries 0. Raises JobGone, GatewayUnavailable if the lease ends first, and CommandRefused if that is
    refused too.
    """
    reported, pause_seconds = outcome, _FIRST_PAUSE_SECONDS
    while True:
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
            log.info("report_retried", job_key=job.key, reason=str(error), pause_seconds=pause_seconds)
            on_delay()
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
        else:
            return reported
