"""Reads and evaluates the FEEL expressions of a task's headers: result expression and error expression."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from worker import feel
from worker.errors import EmailError, ExpressionFailed, InputError
from worker.job.durations import parse_duration_seconds
from worker.job.job import Job
from worker.job.outcome import IGNORED, BpmnError, Completed, Failed, Outcome
from worker.masking import excerpt
from worker.operations.catalogue import CATALOGUE

_SHOWN_CHARACTERS = 120
RESPONSE_FIELDS = frozenset(
    str(field.alias) for operation in CATALOGUE for field in operation.result.model_fields.values()
)
"""The names of the fields of all results: a name nearly like one of them is a slip."""
_MAX_RETRIES = 2**31 - 1
_BOOLEANS = frozenset(
    str(field.alias)
    for operation in CATALOGUE
    for field in operation.result.model_fields.values()
    if bool in (field.annotation, *get_args(field.annotation))
)
# Its entries by their own names too.
_RESPONSE: dict[str, frozenset[str] | None] = {
    "response": RESPONSE_FIELDS,
    **dict.fromkeys(RESPONSE_FIELDS),
}
_ERROR_VARIABLES = {
    **_RESPONSE,
    "error": frozenset({"code", "message", "variables", "type"}),
    "job": frozenset({"retries"}),
}


@dataclass(frozen=True, slots=True)
class HeaderExpression:
    """An expression that has been read and checked, and the name of its header."""

    header: str
    text: str
    parsed: feel.Expression

    @classmethod
    def of(cls, headers: Mapping[str, str], header: str) -> HeaderExpression | None:
        """Read the expression of `header`, None for a blank one; raises InputError with line and column.

        What FEEL would turn into null without a word, such as a misspelt function, is refused too.
        """
        text = headers.get(header, "").strip()
        if not text:
            return None
        fault = "is not a FEEL expression"
        try:
            parsed = feel.parse(text)
            fault = "has a mistake"
            parsed.check(_variables(headers, header))
        except feel.FeelError as error:
            raise InputError(
                f"The header {header} {fault}: {_described(error, text)}",
                field=header,
                line=error.line,
                column=error.column,
            ) from error
        return cls(header, text, parsed)

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """Return the JSON value of the expression; raises ExpressionFailed."""
        try:
            return self.parsed.evaluate(scope)
        except feel.FeelError as error:
            raise ExpressionFailed(
                f"The header {self.header} cannot be evaluated: {_described(error, self.text)}",
                header=self.header,
            ) from error

    def refuse(self, expected: str, found: Any) -> ExpressionFailed:
        """Say that the expression gives the wrong kind of value."""
        return ExpressionFailed(
            f"The header {self.header} must give {expected}, but {_shown(self.text)} gives"
            f" {_shown(json.dumps(found, ensure_ascii=False))}.",
            header=self.header,
        )


def _described(error: feel.FeelError, text: str) -> str:
    where = f"line {error.line}, column {error.column}"
    return f"{where}: {error.message} The expression is {_shown(text)}."


def _variables(headers: Mapping[str, str], header: str) -> feel.Variables:
    """Return what the expression of `header` can see, as far as the headers say it."""
    if header != "errorExpression":
        return feel.Variables(_RESPONSE, booleans=_BOOLEANS, decides=False)
    # The result expression can name variables in any way that it can write, but none takes that name.
    words = re.findall(r"\w+", headers.get("resultExpression", ""))
    others = frozenset({headers.get("resultVariable", "").strip(), *words}) - {"response"}
    return feel.Variables(_ERROR_VARIABLES, others, frozenset({"error", "job", "response"}), _BOOLEANS)


def result_scope(result: Any) -> dict[str, Any]:
    """Return what an expression sees of a result: `response`, and its entries by their own names."""
    entries = result if isinstance(result, Mapping) else {}
    return {**entries, "response": result}


def map_result(expression: HeaderExpression | None, result: Any) -> dict[str, Any]:
    """Return the process variables that the result expression gives for a result."""
    if expression is None:
        return {}
    variables = expression.evaluate(result_scope(result))
    if not isinstance(variables, dict):
        raise expression.refuse("a context", variables)
    return variables


def error_scope(error: EmailError) -> dict[str, Any]:
    """Return what the error expression sees of a failure."""
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "variables": error.details,
            "type": type(error).__name__,
        }
    }


def examine(expression: HeaderExpression | None, scope: Mapping[str, Any], job: Job) -> Outcome | None:
    """Return what the error expression decides about `job`; None where it sees no error.

    Raises ExpressionFailed where it cannot be evaluated or gives something else than one of
    bpmnError(…), jobError(…) and ignoreError(…), or one with a wrong part.
    """
    if expression is None:
        return None
    decision = expression.evaluate({**scope, "job": {"retries": job.retries}})
    if decision is None or decision == {}:
        return None
    outcome = _outcome(expression, decision) if isinstance(decision, dict) else None
    if outcome is None:
        raise expression.refuse("null, bpmnError(…), jobError(…) or ignoreError(…)", decision)
    return outcome


def _outcome(expression: HeaderExpression, decision: dict[str, Any]) -> Outcome | None:
    variables = decision.get("variables") or {}
    message = decision.get("errorMessage") or ""
    if not isinstance(variables, dict) or not isinstance(message, str):
        return None
    match decision.get("errorType"):
        case "ignoreError":
            return Completed(variables, code=IGNORED)
        case "bpmnError":
            code = decision.get("errorCode")
            if not isinstance(code, str | int) or isinstance(code, bool) or code == "":
                raise expression.refuse("an errorCode that is a text or a whole number", code)
            return BpmnError(str(code), message, variables)
        case "jobError":
            return _job_error(expression, decision, message, variables)
    return None


def _job_error(
    expression: HeaderExpression, decision: dict[str, Any], message: str, variables: dict[str, Any]
) -> Failed:
    retries = decision.get("retries") or 0
    backoff = decision.get("retryBackoff")
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= _MAX_RETRIES:
        raise expression.refuse(f"whole retries from 0 to {_MAX_RETRIES:,}", retries)
    try:
        backoff_seconds = 0.0 if backoff is None else parse_duration_seconds(backoff)
    except ValueError:
        raise expression.refuse("a retryBackoff such as PT30S or PT5M", backoff) from None
    return Failed("JOB_ERROR", message, retries, backoff_seconds, variables)


def _shown(text: str) -> str:
    return excerpt(text, _SHOWN_CHARACTERS)
