"""What an error expression can decide: a BPMN error, a failed job, or no error; and how long to wait.

The first three return contexts: `errorType` and the arguments by name. An argument of the wrong type is
an error rather than null, which would silently mean "no error".
"""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

from worker.feel.error import FeelError
from worker.feel.run import Run
from worker.feel.signature import builtin
from worker.feel.temporal_text import iso_text
from worker.feel.values import Value, whole

_MESSAGE = "errorMessage/message: string | null"
_VARIABLES = "variables: context | null"
_RETRY_BACKOFF = "retryBackoff/backoff: days | string | null"
_MILLISECOND = timedelta(milliseconds=1)


OUTCOMES = {
    "bpmnError": ("errorCode/code: string | number", "", _MESSAGE, _VARIABLES),
    "jobError": (_MESSAGE, "", _VARIABLES, "retries: number | null", _RETRY_BACKOFF),
    "ignoreError": ("", _VARIABLES),
}
"""The functions that decide, and their parameters."""


def _add(error_type: str, *parameters: str) -> None:
    names = [parameter.partition(":")[0].partition("/")[0] for parameter in parameters if parameter]

    @builtin(error_type, *parameters, is_strict=True)
    def _(*values: Value) -> Value:
        return {"errorType": error_type} | dict(zip(names, map(_exact, values), strict=False))


def _exact(value: Value) -> Value:
    """Return a duration as its full text, as JSON leaves fractions of a second out."""
    return iso_text(value) if type(value) is timedelta and value.microseconds else value


for _name, _parameters in OUTCOMES.items():
    _add(_name, *_parameters)


@builtin(
    "backoff",
    *("attempt: number", "", "minDelay: days | null", "factor: number | null"),
    *("maxDelay: days | null", "jitterFactor: number | null"),
    is_strict=True,
    needs_run=True,
)
def _backoff(
    run: Run,
    attempt: Decimal,
    min_delay: timedelta | None = None,
    factor: Decimal | None = None,
    max_delay: timedelta | None = None,
    jitter_factor: Decimal | None = None,
) -> timedelta:
    """Return the wait before a retry: `min_delay * factor ** (attempt - 1)`, at most `max_delay`, spread.

    The defaults are those of Camunda's connectors.
    """
    low = 50 * _MILLISECOND if min_delay is None else min_delay
    high = 5_000 * _MILLISECOND if max_delay is None else max_delay
    growth = 1.6 if factor is None else float(factor)
    spread = 0.1 if jitter_factor is None else float(jitter_factor)
    if attempt < 1 or growth <= 0 or spread < 0 or not timedelta(0) <= low <= high:
        raise FeelError(
            "backoff() needs an attempt of at least 1, a factor above 0, a jitterFactor of at least 0,"
            " and a minDelay that is not longer than the maxDelay."
        )
    try:
        grown = low / _MILLISECOND * math.pow(growth, whole(attempt) - 1)
    except OverflowError:
        grown = math.inf
    delay = max(low / _MILLISECOND, min(high / _MILLISECOND, grown))
    return max(0, round(delay * (1 + spread * (2 * run.sources.random() - 1)))) * _MILLISECOND
