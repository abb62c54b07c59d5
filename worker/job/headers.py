"""The headers of a task that control what happens with the result, errors and retries."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from worker.errors import InputError
from worker.job.durations import parse_duration_seconds
from worker.job.expressions import HeaderExpression
from worker.models.expectation import shown

_KNOWN = {
    name.lower(): name
    for name in ("resultVariable", "resultExpression", "errorExpression", "retryBackoff", "jobTimeout")
}
_CLOSENESS = 0.85


@dataclass(frozen=True, slots=True)
class ConnectorHeaders:
    """The five headers, read; a blank header counts as not given.

    `result_variable`: the process variable that gets the whole result. `result_expression`: maps it to
    more variables. `error_expression`: decides what counts as an error. `retry_backoff_seconds`,
    `job_timeout_seconds`: instead of the worker's settings.
    """

    result_variable: str | None = None
    result_expression: HeaderExpression | None = None
    error_expression: HeaderExpression | None = None
    retry_backoff_seconds: float | None = None
    job_timeout_seconds: float | None = None

    @property
    def has_expressions(self) -> bool:
        """Whether the result or an error is left to an expression."""
        return bool(self.result_expression or self.error_expression)

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> ConnectorHeaders:
        """Read the headers before any work is done; raises InputError that names the header."""
        for name in headers:
            _check_spelling(name)
        return cls(
            result_variable=_variable(headers),
            result_expression=HeaderExpression.of(headers, "resultExpression"),
            error_expression=HeaderExpression.of(headers, "errorExpression"),
            retry_backoff_seconds=_duration(headers, "retryBackoff"),
            job_timeout_seconds=_duration(headers, "jobTimeout", may_be_zero=False),
        )


def _check_spelling(name: str) -> None:
    """Refuse a header whose name is almost a known one: it would have no effect, and nobody would notice."""
    letters = re.sub(r"[^a-z]", "", name.lower())
    close = difflib.get_close_matches(letters, _KNOWN, n=1, cutoff=_CLOSENESS)
    if close and name != _KNOWN[close[0]]:
        raise InputError(
            f"The header {name} is not known; did you mean {_KNOWN[close[0]]}?", field=_KNOWN[close[0]]
        )


def _variable(headers: Mapping[str, str]) -> str | None:
    name = headers.get("resultVariable", "").strip()
    if name.startswith("="):
        raise InputError(
            f"The header resultVariable must be a name without =; found {shown(name)}.",
            field="resultVariable",
        )
    return name or None


def _duration(headers: Mapping[str, str], name: str, *, may_be_zero: bool = True) -> float | None:
    text = headers.get(name, "").strip()
    if not text:
        return None
    try:
        return parse_duration_seconds(text, may_be_zero=may_be_zero)
    except ValueError as error:
        raise InputError(f"The header {name} {error}; found {shown(text)}.", field=name) from error
