"""The settings that all jobs share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobRules:
    """What the operator set for all jobs."""

    retry_backoff_seconds: float
    max_result_bytes: int
    max_jobs: int
    max_jobs_per_server: int
    secret_fields: tuple[str, ...]
    cluster_name: str
    max_sends_per_minute: int = 0
