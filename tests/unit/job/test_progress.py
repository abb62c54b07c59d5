from __future__ import annotations

from typing import Any

import pytest
from testkit.jobs import make_job

from worker.job.completed_work import CompletedWork
from worker.job.outcome import BpmnError, Completed, Failed, Outcome, Returned
from worker.job.progress import VARIABLE, carried, carry

REFERENCE = "1.abc"
CARRIED = {VARIABLE: {"reference": REFERENCE, "recipients": ["a@x", "b@x"]}}


@pytest.mark.parametrize(
    "outcome", [Failed("X", "x", retries=2, variables={"y": 1}), Returned("x", variables={"y": 1})]
)
def test_a_job_that_comes_back_carries_who_has_the_email(outcome: Outcome) -> None:
    reported = carry(outcome, REFERENCE, {"b@x", "a@x"})
    assert isinstance(reported, Failed | Returned)
    assert reported.variables == {"y": 1, **CARRIED}
    job = make_job(variables=dict(reported.variables))
    assert carried(job, REFERENCE) == {"a@x", "b@x"}


@pytest.mark.parametrize("outcome", [Completed({}), BpmnError("X", "x", {})])
def test_a_job_that_is_done_carries_nothing(outcome: Outcome) -> None:
    assert carry(outcome, REFERENCE, {"a@x"}) == outcome


def test_a_job_whose_email_reached_no_recipient_stores_nothing() -> None:
    failed = Failed("X", "x", retries=2)
    assert carry(failed, REFERENCE, set()) == failed


@pytest.mark.parametrize(
    "value",
    [
        None,
        "a@x",
        ["a@x"],
        {"recipients": ["a@x"]},
        {"reference": "another job's", "recipients": ["a@x"]},
        {"reference": REFERENCE, "recipients": "a@x"},
        {"reference": REFERENCE, "recipients": [1, None]},
    ],
)
def test_a_variable_of_that_name_that_is_not_of_this_job_does_not_count(value: Any) -> None:
    assert carried(make_job(variables={VARIABLE: value}), REFERENCE) == set()


def test_the_progress_of_an_attempt_does_not_make_it_another_job() -> None:
    """Else an email whose outcome is unknown would be sent again."""
    completed_work = CompletedWork()
    completed_work.record(make_job(key=1, variables={"x": 1}), ({"sent": True},))
    assert completed_work.recall(make_job(key=1, variables={"x": 1, **CARRIED})) == ({"sent": True},)
