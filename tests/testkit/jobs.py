"""Jobs as the engine hands them out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from worker.job.job import Job

TASK_TYPE = "email.test.send"
SECOND_TASK_TYPE = "email.test.list"

_keys = itertools.count(1)


def make_job(
    *,
    key: int | None = None,
    type: str = TASK_TYPE,  # noqa: A002 - as the engine calls it
    retries: int = 3,
    variables: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    element_instance_key: int = 30,
) -> Job:
    """Return a job with a key of its own and variables that the operation takes."""
    return Job(
        key=next(_keys) if key is None else key,
        type=type,
        retries=retries,
        variables=variables_for() if variables is None else variables,
        headers=headers or {},
        element_id="send",
        bpmn_process_id="letter",
        process_instance_key=20,
        element_instance_key=element_instance_key,
    )


def variables_for(host: str = "mail.example.com", **parameters: Any) -> dict[str, Any]:
    """Return the three variables, for the server `host`."""
    return {
        "authentication": {"username": "alice", "password": "hunter2"},
        "server": {"host": host},
        "parameters": parameters,
    }
