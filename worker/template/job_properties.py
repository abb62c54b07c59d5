"""The task headers and settings that steer a job: result, errors, retries and time limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from worker.operations.catalogue import Operation
from worker.template.property import Binding, Pattern, Property
from worker.template.wording import WORDINGS, Wording

_NAME = Pattern(
    "[A-Za-z_][A-Za-z0-9_]*",
    "must be letters, digits and _ only, and may not begin with a digit.",
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
            "result",
            "Result variable",
            f"The process variable that gets the whole result: {what}. Empty: it is not kept.",
        ),
        value=wording.result_variable,
        placeholder="mail",
        pattern=_NAME,
    )


def _result_expression(wording: Wording) -> Property:
    return replace(
        _header(
            "resultExpression",
            "result",
            "Result expression",
            "FEEL for a context: each of its entries becomes a process variable. The result is `response`"
            " there.",
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
            "FEEL that decides what becomes of a failure (`error.code`, `error.message`) or of a result"
            " (`response`): `bpmnError(code, message)` for a boundary event to catch, `jobError(message)`,"
            " `ignoreError()`, or `null`. Empty: the task is tried again, then stops with an incident.",
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
        label="Attempts",
        description="How often the task is tried in all before it stops with an incident. What cannot pass by"
        " itself, such as a wrong password, is not tried again.",
        value="3",
        feel="optional",
        pattern=_COUNT,
    )


def _pause() -> Property:
    return replace(
        _header(
            "retryBackoff",
            "retries",
            "Pause between attempts",
            "A duration, such as `PT30S` for 30 seconds or `PT5M` for 5 minutes. Empty: 30 seconds, then"
            " 8 minutes, so that a mail server may be restarted meanwhile.",
        ),
        placeholder="PT30S",
        pattern=_DURATION,
    )


def _time_limit() -> Property:
    return replace(
        _header(
            "jobTimeout",
            "timeouts",
            "Time limit",
            "How long the engine waits for the worker before it gives the task to another one, such as `PT2M`"
            " for two minutes. Empty: the worker asks for more time as long as it is at work.",
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
