from __future__ import annotations

from dataclasses import replace

from testkit.jobs import make_job

from worker.job.attempts import Attempts


def test_the_most_retries_of_a_job_are_remembered() -> None:
    attempts, job = Attempts(), make_job(retries=5)
    assert [attempts.failed(replace(job, retries=retries)) for retries in (5, 4, 3)] == [5, 5, 5]
    # A person has raised the retries of an incident.
    assert attempts.failed(replace(job, retries=7)) == 7


def test_jobs_are_apart() -> None:
    attempts = Attempts()
    assert attempts.failed(make_job(key=1, retries=9)) == 9
    assert attempts.failed(make_job(key=2, retries=3)) == 3


def test_the_jobs_that_failed_longest_ago_are_forgotten() -> None:
    attempts = Attempts()
    for key in range(1, 10_002):
        attempts.failed(make_job(key=key, retries=9))
    assert attempts.failed(make_job(key=10_001, retries=1)) == 9
    assert attempts.failed(make_job(key=1, retries=1)) == 1
