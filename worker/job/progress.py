"""Which recipients already have a job's email, if an attempt reached only some of them.

Camunda keeps this between attempts in a variable local to the task, which a failed job may set, so that
another worker knows it too.
"""

from __future__ import annotations

from dataclasses import replace

from worker.job.job import Job
from worker.job.outcome import Failed, Outcome, Returned

VARIABLE = "emailDelivered"
KEPT_RECIPIENTS = 50_000
"""How many a worker remembers, of all failures that Camunda has not stored: 15 MB."""


def carry(outcome: Outcome, reference: str, delivered: set[str]) -> Outcome:
    """Return the outcome with a variable that names the recipients reached so far."""
    if not delivered or not isinstance(outcome, Failed | Returned):
        return outcome
    progress = {VARIABLE: {"reference": reference, "recipients": sorted(delivered)}}
    return replace(outcome, variables={**outcome.variables, **progress})


def carried(job: Job, reference: str) -> set[str]:
    """Return whom earlier attempts reached, on any worker. `reference`: names the email of the job."""
    value = job.variables.get(VARIABLE)
    # A variable of that name may be the process's own, or another task's.
    if not isinstance(value, dict) or value.get("reference") != reference:
        return set()
    recipients = value.get("recipients")
    return {each for each in recipients if isinstance(each, str)} if isinstance(recipients, list) else set()


def is_lost(outcome: Outcome) -> bool:
    """Tell whether another attempt could not learn from Camunda who has the email."""
    return isinstance(outcome, Failed | Returned) and VARIABLE not in outcome.variables
