from __future__ import annotations

from dataclasses import replace

import pytest
from testkit.jobs import make_job, variables_for

from worker.errors import SendOutcomeUnknown
from worker.job.completed_work import CompletedWork

JOB = make_job(key=1, variables=variables_for(to="bob", body="ü"))
MEGABYTE = 1024 * 1024


def test_completed_work_is_recalled_for_the_same_job() -> None:
    completed_work = CompletedWork()
    completed_work.record(JOB, ({"sent": True},))
    assert completed_work.recall(JOB) == ({"sent": True},)


def test_a_result_of_none_is_told_from_nothing_done() -> None:
    completed_work = CompletedWork()
    assert completed_work.recall(JOB) is None
    completed_work.record(JOB, (None,))
    assert completed_work.recall(JOB) == (None,)


def test_an_unknown_outcome_is_recalled_as_it_was() -> None:
    completed_work = CompletedWork()
    unknown = SendOutcomeUnknown("Perhaps.", messageId="<1@x>")
    completed_work.record(JOB, unknown)
    assert completed_work.recall(JOB) is unknown


@pytest.mark.parametrize("change", [{"retries": 1}, {"headers": {"resultVariable": "x"}}, {"type": "other"}])
def test_another_attempt_of_the_same_work_is_recognised(change: dict[str, object]) -> None:
    completed_work = CompletedWork()
    completed_work.record(JOB, (1,))
    again = replace(JOB, variables=dict(reversed(list(JOB.variables.items()))), **change)  # type: ignore[arg-type]
    assert completed_work.recall(again) == (1,)


@pytest.mark.parametrize(
    "other",
    [
        replace(JOB, key=2),
        replace(JOB, variables=variables_for(to="carol", body="ü")),
        replace(JOB, variables=variables_for(to="bob")),
        replace(JOB, variables={}),
    ],
)
def test_another_job_or_corrected_variables_are_other_work(other: object) -> None:
    completed_work = CompletedWork()
    completed_work.record(JOB, (1,))
    assert completed_work.recall(other) is None  # type: ignore[arg-type]


def test_reported_work_is_forgotten() -> None:
    completed_work = CompletedWork()
    completed_work.record(JOB, (1,))
    completed_work.forget(JOB)
    completed_work.forget(JOB)
    assert completed_work.recall(JOB) is None


def test_the_oldest_entries_go_first() -> None:
    completed_work = CompletedWork()
    for key in range(10_001):
        completed_work.record(replace(JOB, key=key, variables={}), (key,))
    assert completed_work.recall(replace(JOB, key=0, variables={})) is None
    assert completed_work.recall(replace(JOB, key=1, variables={})) == (1,)
    assert completed_work.recall(replace(JOB, key=10_000, variables={})) == (10_000,)


def test_long_results_are_remembered_of_fewer_jobs() -> None:
    completed_work = CompletedWork()
    unknown = SendOutcomeUnknown("Perhaps.", deliveredRecipients=["a" * MEGABYTE])
    for key, entry in enumerate([("a" * MEGABYTE,), unknown] * 40):
        completed_work.record(replace(JOB, key=key), entry)  # type: ignore[arg-type]
    kept = [key for key in range(80) if completed_work.recall(replace(JOB, key=key))]
    assert kept == list(range(kept[0], 80))
    assert 55 < len(kept) <= 64
