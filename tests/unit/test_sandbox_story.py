"""The lines of `email-worker sandbox`, from records as the engine writes them."""

from __future__ import annotations

from typing import Any

import pytest

from worker.sandbox.records import Record
from worker.sandbox.story import Story

JOB_TYPES = ("email.smtp.send", "email.imap.list", "io.camunda:email:1")


class Told:
    """A story with its lines and a clock that the test moves."""

    def __init__(self, variables: dict[str, Any] | None = None) -> None:
        self.lines: list[str] = []
        self.now = 100.0
        self.story = Story(self.lines.append, lambda _: variables or {}, JOB_TYPES, lambda: self.now)

    def add(self, value_type: str, intent: str, key: int = 7, **value: Any) -> None:
        place = {"elementId": "Send", "bpmnProcessId": "order", "processInstanceKey": 1}
        self.story.add(Record(value_type, intent, key, 0, place | value))

    def job(self, intent: str, job_type: str, key: int = 7, **value: Any) -> None:
        details = {"retries": 2, "errorMessage": "", "retryBackoff": 0}
        self.add("JOB", intent, key, **{"type": job_type, **details, **value})

    def later(self, seconds: float) -> list[str]:
        self.now += seconds
        self.story.look_for_waiting_jobs()
        return self.lines


def test_an_incident_is_one_line_with_its_place_and_its_whole_text() -> None:
    told = Told()
    told.add("INCIDENT", "CREATED", errorMessage="No connection.\nCheck host and port.")
    assert told.lines == ["Incident in Send of order, instance 1: No connection. Check host and port."]


def test_an_end_shows_every_variable_and_only_the_begin_of_a_long_one() -> None:
    told = Told({"subject": "Grüße", "body": "x" * 5_000})
    told.add("PROCESS_INSTANCE", "ELEMENT_COMPLETED", key=1)
    told.add("PROCESS_INSTANCE", "ELEMENT_COMPLETED", key=2)  # an element of it
    head, subject, body = told.lines
    assert head == "Instance 1 of order has ended with the variables"
    assert subject == '  subject = "Grüße"'
    assert body.endswith("x… (5002 characters)")
    assert len(body) < 1_100


def test_a_failed_attempt_says_how_many_are_left() -> None:
    told = Told()
    told.job("FAILED", "email.smtp.send", errorMessage="busy", retries=2)
    told.job("FAILED", "email.smtp.send", errorMessage="busy", retries=0)  # the incident says it
    assert told.lines == ["Failed job in Send of order, instance 1, retries left 2: busy"]


@pytest.mark.parametrize(
    ("job_type", "hint"),
    [
        ("email.smpt.send", "; did you mean email.smtp.send?"),
        ("email.smtp.send", "; start one with `email-worker run`."),
        ("EMAIL.SMTP.SEND", "; did you mean email.smtp.send?"),
        ("io.camunda:email:2", "; did you mean io.camunda:email:1?"),
        ("io.camunda:email:1", "; start one with `email-worker run` and EMAIL_WORKER_VENDOR_TASK_TYPE=true."),
        ("io.camunda:http-json:1", "."),
        ("charge-credit-card", "."),
    ],
)
def test_a_job_that_nobody_asks_for_is_told_of_once(job_type: str, hint: str) -> None:
    told = Told()
    told.job("CREATED", job_type)
    assert told.later(1) == []
    line = f"A job of type {job_type} waits: no worker asks for this type{hint}"
    assert told.later(3) == [line]
    assert told.later(3) == [line]


def test_a_job_whose_type_is_served_may_wait() -> None:
    told = Told()
    told.add("JOB_BATCH", "ACTIVATED", type="email.smtp.send", jobKeys=[])
    told.job("CREATED", "email.smtp.send")
    assert told.later(10) == []
    assert len(told.later(60)) == 1, "its worker has gone"


@pytest.mark.parametrize("intent", ["COMPLETED", "CANCELED", "ERROR_THROWN"])
def test_a_job_that_has_ended_does_not_wait(intent: str) -> None:
    told = Told()
    told.job("CREATED", "email.smtp.send")
    told.job(intent, "email.smtp.send")
    assert told.later(10) == []


def test_the_type_of_another_worker_is_one_that_may_be_meant() -> None:
    told = Told()
    told.add("JOB_BATCH", "ACTIVATED", type="charge-credit-card", jobKeys=[])
    told.job("CREATED", "charge-creditcard")
    assert told.later(5)[0].endswith("did you mean charge-credit-card?")
    told.job("CREATED", "charge-credit-card", key=8)
    assert told.later(60)[1].endswith("no worker asks for this type."), "its own worker has gone"


def test_a_job_taken_by_a_worker_no_longer_waits_until_it_times_out() -> None:
    told = Told()
    told.job("CREATED", "email.smtp.send")
    told.add("JOB_BATCH", "ACTIVATED", type="email.smtp.send", jobKeys=[7])
    assert told.later(100) == []
    told.job("TIMED_OUT", "email.smtp.send")
    assert len(told.later(5)) == 1
