"""The task headers and settings of a job: result, errors, retries and job timeout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from worker.operations.catalogue import Operation
from worker.template.property import Binding, Pattern, Property
from worker.template.wording import WORDINGS, Wording

_NAME = Pattern(
    "[A-Za-z_][A-Za-z0-9_]*",
    "must be letters, digits and _ only, and must not start with a digit.",
)
_DURATION = Pattern(
    "P(?!$)([0-9]+W)?([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+([.,][0-9]+)?S)?)?",
    "must be a duration such as PT30S (30 seconds), PT5M (5 minutes) or PT1H (1 hour).",
)
_COUNT = Pattern("[1-9][0-9]*", "must be a whole number, 1 or more.")


def job_properties(operation: Operation) -> Iterator[Property]:
    """Yield what follows the request: result, errors, retries, timeouts."""
    wording = WORDINGS[operation.task_type]
    yield _result_variable(operation, wording)
    yield _result_expression(wording)
    yield _error_expression(wording)
    yield _attempts()
    yield _pause()
    yield _time_limit()


def _result_variable(operation: Operation, wording: Wording) -> Property:
    fields = ", ".join(f"`{field.alias}`" for field in operation.result.model_fields.values())
    what = f"a list; each entry has {fields}" if operation.is_list else f"a context with {fields}"
    return replace(
        _header(
            "resultVariable",
            "output",
            "Result variable",
            f"Process variable for the whole result. It is {what}. Leave it empty if you do not need it.",
        ),
        value=wording.result_variable,
        placeholder="mail",
        pattern=_NAME,
    )


def _result_expression(wording: Wording) -> Property:
    return replace(
        _header(
            "resultExpression",
            "output",
            "Result expression",
            "FEEL context whose entries become process variables. The result is `response` there.",
        ),
        placeholder=wording.result_expression,
        feel="required",
    )


def _error_expression(wording: Wording) -> Property:
    return replace(
        _header(
            "errorExpression",
            "errors",
            "Error expression",
            "FEEL expression that maps a failure or result to a BPMN error, a job error or nothing. It sees"
            " `error.code`, `error.message` and `response`, and gives `bpmnError(code, message)` for a"
            " boundary event to catch, `jobError(message)`, `ignoreError()`, or `null`. Left empty, the task"
            " is retried, then stops with an incident.",
        ),
        placeholder=wording.error_expression,
        feel="required",
    )


def _attempts() -> Property:
    return Property(
        id="retries",
        group="retries",
        binding=Binding("zeebe:taskDefinition", "property", "retries"),
        kind="String",
        label="Retries",
        description="Number of attempts before the task stops with an incident. Permanent failures,"
        " such as a wrong password, are not retried.",
        value="3",
        feel="optional",
        pattern=_COUNT,
    )


def _pause() -> Property:
    return replace(
        _header(
            "retryBackoff",
            "retries",
            "Retry backoff",
            "Duration before the next retry, such as `PT30S` for 30 seconds. Left empty: 30 seconds, then 8"
            " minutes, so that a mail server can be restarted meanwhile.",
        ),
        placeholder="PT30S",
        pattern=_DURATION,
    )


def _time_limit() -> Property:
    return replace(
        _header(
            "jobTimeout",
            "timeout",
            "Job timeout",
            "Duration after which Camunda gives the job to another worker, such as `PT2M`. Left empty, the"
            " worker extends it as long as it works on the job.",
        ),
        placeholder="PT2M",
        pattern=_DURATION,
    )


def _header(key: str, group: str, label: str, description: str) -> Property:
    return Property(
        id=key,
        group=group,
        binding=Binding("zeebe:taskHeader", "key", key),
        kind="String",
        label=label,
        description=description,
        is_optional=True,
    )
