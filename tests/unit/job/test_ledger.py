from __future__ import annotations

from dataclasses import replace

import pytest
from testkit.jobs import make_job, variables_for

from worker.errors import SendOutcomeUnknown
from worker.job.ledger import Ledger

JOB = make_job(key=1, variables=variables_for(to="bob", body="ü"))


def test_what_was_done_is_recalled_for_the_same_job() -> None:
    ledger = Ledger()
    ledger.record(JOB, ({"sent": True},))
    assert ledger.recall(JOB) == ({"sent": True},)


def test_a_result_of_none_is_told_from_nothing_done() -> None:
    ledger = Ledger()
    assert ledger.recall(JOB) is None
    ledger.record(JOB, (None,))
    assert ledger.recall(JOB) == (None,)


def test_an_unknown_outcome_is_recalled_as_it_was() -> None:
    ledger = Ledger()
    unknown = SendOutcomeUnknown("Perhaps.", messageId="<1@x>")
    ledger.record(JOB, unknown)
    assert ledger.recall(JOB) is unknown


@pytest.mark.parametrize("change", [{"retries": 1}, {"headers": {"resultVariable": "x"}}, {"type": "other"}])
def test_another_attempt_of_the_same_work_is_recognised(change: dict[str, object]) -> None:
    ledger = Ledger()
    ledger.record(JOB, (1,))
    again = replace(JOB, variables=dict(reversed(list(JOB.variables.items()))), **change)  # type: ignore[arg-type]
    assert ledger.recall(again) == (1,)


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
    ledger = Ledger()
    ledger.record(JOB, (1,))
    assert ledger.recall(other) is None  # type: ignore[arg-type]


def test_what_the_engine_knows_is_forgotten() -> None:
    ledger = Ledger()
    ledger.record(JOB, (1,))
    ledger.forget(JOB)
    ledger.forget(JOB)
    assert ledger.recall(JOB) is None


def test_the_oldest_entries_go_first() -> None:
    ledger = Ledger()
    for key in range(10_001):
        ledger.record(replace(JOB, key=key, variables={}), (key,))
    assert ledger.recall(replace(JOB, key=0, variables={})) is None
    assert ledger.recall(replace(JOB, key=1, variables={})) == (1,)
    assert ledger.recall(replace(JOB, key=10_000, variables={})) == (10_000,)
