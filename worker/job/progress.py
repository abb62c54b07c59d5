"""Which recipients already have a job's email, if an attempt reached only some of them.

Camunda keeps this between attempts in a variable local to the task, which a failed job may set, so that
another worker knows it too.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from worker.job.job import Job
from worker.job.outcome import Failed, Outcome, Returned

VARIABLE = "emailDelivered"

_KEPT_JOBS = 10_000


class Progress:
    """Remembers it in this worker as well, because the report of a failure may be lost. Bounded."""

    def __init__(self) -> None:
        self._delivered: OrderedDict[int, set[str]] = OrderedDict()

    def of(self, job: Job, reference: str) -> set[str]:
        """Return the addresses that earlier attempts reached. `reference`: names the job's email."""
        return _carried(job, reference) | self._delivered.get(job.key, set())

    def keep(self, job: Job, delivered: set[str]) -> None:
        """Note the addresses that have been reached up to now."""
        if delivered:
            self._delivered[job.key] = delivered
            while len(self._delivered) > _KEPT_JOBS:
                self._delivered.popitem(last=False)

    def forget(self, job: Job) -> None:
        """The job is done."""
        self._delivered.pop(job.key, None)


def carry(outcome: Outcome, reference: str, delivered: set[str]) -> Outcome:
    """Return the outcome with a variable that names the recipients reached so far."""
    if not delivered or not isinstance(outcome, Failed | Returned):
        return outcome
    carried = {VARIABLE: {"reference": reference, "recipients": sorted(delivered)}}
    return replace(outcome, variables={**outcome.variables, **carried})


def _carried(job: Job, reference: str) -> set[str]:
    carried = job.variables.get(VARIABLE)
    # A variable of that name may be the process's own, or another task's.
    if not isinstance(carried, dict) or carried.get("reference") != reference:
        return set()
    recipients = carried.get("recipients")
    return {each for each in recipients if isinstance(each, str)} if isinstance(recipients, list) else set()
