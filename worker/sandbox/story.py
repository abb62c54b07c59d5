"""What happens in the engine, as lines for people: failures, incidents, ends, and jobs that nobody takes."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worker.sandbox.records import Record

_LONGEST_VALUE = 1_000
_PATIENCE_SECONDS = 3.0
_OF_CAMUNDA = "io.camunda:"  # the job types of Camunda's own connectors
# A worker asks for jobs at least this often, unless it is full.
_ASKS_EVERY_SECONDS = 40.0
_WAITING = {"CREATED", "TIMED_OUT", "YIELDED", "RECURRED_AFTER_BACKOFF"}


class Story:
    """Turns records into lines. `job_types`: those of the email worker; `variables`: those of an instance."""

    def __init__(
        self,
        tell: Callable[[str], None],
        variables: Callable[[int], Mapping[str, Any]],
        job_types: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._variables = variables
        self._job_types = job_types
        self._clock = clock
        # The type of each job that waits, and since when; when each type was last asked for.
        self._waiting: dict[int, tuple[str, float]] = {}
        self._asked_at: dict[str, float] = {}
        self._told: set[str] = set()

    def add(self, record: Record) -> None:
        """Tell what a record means, if it means something to a person."""
        value = record.value
        match record.value_type, record.intent:
            case "JOB_BATCH", "ACTIVATED":
                self._note_request(value["type"], value["jobKeys"])
            case "JOB", intent:
                self._note_job(record, intent)
            case "INCIDENT", "CREATED":
                self._tell(f"Incident in {_place(value)}: {_one_line(value['errorMessage'])}")
            case "PROCESS_INSTANCE", "ELEMENT_COMPLETED" if record.key == value["processInstanceKey"]:
                self._tell(f"Instance {record.key} of {value['bpmnProcessId']} has ended with the variables")
                for name, variable in self._variables(record.key).items():
                    self._tell(f"  {name} = {_shown(variable)}")
            case "PROCESS_INSTANCE", "ELEMENT_TERMINATED" if record.key == value["processInstanceKey"]:
                self._tell(f"Instance {record.key} of {value['bpmnProcessId']} was cancelled.")

    def look_for_waiting_jobs(self) -> None:
        """Tell of each job type whose jobs wait because no worker asks for them, once."""
        now = self._clock()
        for job_type, since in list(self._waiting.values()):
            is_served = now - self._asked_at.get(job_type, float("-inf")) < _ASKS_EVERY_SECONDS
            if now - since >= _PATIENCE_SECONDS and not is_served and job_type not in self._told:
                self._told.add(job_type)
                self._tell(
                    f"A job of type {job_type} waits: no worker asks for this type{self._hint(job_type)}"
                )

    def _hint(self, job_type: str) -> str:
        is_of_camunda = job_type.startswith(_OF_CAMUNDA)
        if job_type in self._job_types:
            setting = " and EMAIL_WORKER_VENDOR_TASK_TYPE=true" if is_of_camunda else ""
            return f"; start one with `email-worker run`{setting}."
        if is_of_camunda and "email" not in job_type:
            return "."  # another connector, which is not misspelt
        known = {each.lower(): each for each in (*self._job_types, *self._asked_at) if each != job_type}
        close = difflib.get_close_matches(job_type.lower(), known, n=1)
        return f"; did you mean {known[close[0]]}?" if close else "."

    def _note_request(self, job_type: str, jobs: Sequence[int]) -> None:
        self._asked_at[job_type] = self._clock()
        self._told.discard(job_type)
        for key in jobs:
            self._waiting.pop(key, None)

    def _note_job(self, record: Record, intent: str) -> None:
        value = record.value
        self._waiting.pop(record.key, None)
        if intent in _WAITING:
            self._waiting[record.key] = (value["type"], self._clock())
        elif intent == "FAILED" and value["retries"] > 0:
            message = _one_line(value["errorMessage"])
            self._tell(f"Failed job in {_place(value)}, retries left {value['retries']}: {message}")
            if not value["retryBackoff"]:
                self._waiting[record.key] = (value["type"], self._clock())


def _place(value: Mapping[str, Any]) -> str:
    return f"{value['elementId']} of {value['bpmnProcessId']}, instance {value['processInstanceKey']}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shown(variable: Any) -> str:
    text = json.dumps(variable, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"
