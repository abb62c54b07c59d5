"""The task headers that steer a connector, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worker.errors import InputError
from worker.job.durations import parse_duration_seconds
from worker.job.expressions import HeaderExpression


@dataclass(frozen=True, slots=True)
class ConnectorHeaders:
    """What the modeller wrote beside the task; a blank header counts as not given.

    `result_variable`: where the whole result goes. `result_expression`: what else becomes of it.
    `error_expression`: what counts as an error. `retry_backoff_seconds`, `job_timeout_seconds`: in the
    place of the worker's own.
    """

    result_variable: str | None = None
    result_expression: HeaderExpression | None = None
    error_expression: HeaderExpression | None = None
    retry_backoff_seconds: float | None = None
    job_timeout_seconds: float | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> ConnectorHeaders:
        """Read the headers before any work is done; raises InputError that names the header."""
        return cls(
            result_variable=headers.get("resultVariable", "").strip() or None,
            result_expression=HeaderExpression.of(headers, "resultExpression"),
            error_expression=HeaderExpression.of(headers, "errorExpression"),
            retry_backoff_seconds=_duration(headers, "retryBackoff"),
            job_timeout_seconds=_positive(headers, "jobTimeout"),
        )


def _duration(headers: Mapping[str, str], name: str) -> float | None:
    text = headers.get(name, "").strip()
    if not text:
        return None
    try:
        return parse_duration_seconds(text)
    except ValueError as error:
        raise InputError(f"The header {name} {error}; found {text!r}.", field=name) from error


def _positive(headers: Mapping[str, str], name: str) -> float | None:
    seconds = _duration(headers, name)
    if seconds == 0:
        raise InputError(
            f"The header {name} must be longer than nothing; found {headers[name]!r}.", field=name
        )
    return seconds
