"""A job as Camunda hands it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """An activated job.

    `retries`: attempts left, this one included. `variables`: only those requested at activation. `headers`:
    all task headers of the element.
    """

    key: int
    type: str
    retries: int
    variables: Mapping[str, Any]
    headers: Mapping[str, str]
    element_id: str
    bpmn_process_id: str
    process_instance_key: int
    element_instance_key: int
    tenant_id: str | None = None
