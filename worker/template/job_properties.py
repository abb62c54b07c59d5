"""The task headers and settings of a job: result, errors, retries and job timeout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from worker.operations.catalogue import Operation
from worker.template.property import Binding, Pattern, Property
from worker.template.wording import WORDINGS

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
    fields = ", ".join(f"`{field.alias}`" for field in operation.result.model_fields.values())
    what = f"a list; each entry has {fields}" if operation.is_list else f"a context with {fields}"
    yield _header(
        "resultVariable",
        "output",
        "Result variable",
        f"Process variable for the whole result. It is {what}. Leave it empty if you do not need it.",
        "mail",
        value=wording.result_variable,
        pattern=_NAME,
    )
    yield _header(
        "resultExpression",
        "output",
        "Result expression",
        "FEEL context whose entries become process variables. The result is `response` there.",
        wording.result_expression,
        feel="required",
    )
    yield _header(
        "errorExpression",
        "errors",
        "Error expression",
        "FEEL expression that maps a failure or result to a BPMN error, a job error or nothing. It sees"
        " `error.code`, `error.message` and `response`, and gives `bpmnError(code, message)` for a"
        " boundary event to catch, `jobError(message)`, `ignoreError()`, or `null`. Left empty, the task"
        " is retried, then stops with an incident.",
        wording.error_expression,
        feel="required",
    )
    yield from (_RETRIES, _BACKOFF, _TIMEOUT)


def _header(key: str, group: str, label: str, description: str, placeholder: str, **more: Any) -> Property:
    binding = Binding("zeebe:taskHeader", "key", key)
    return Property(key, group, binding, "String", label, description, placeholder, is_optional=True, **more)


_RETRIES = Property(
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
_BACKOFF = _header(
    "retryBackoff",
    "retries",
    "Retry backoff",
    "Duration before the next retry, such as `PT30S` for 30 seconds. Left empty: 30 seconds, then 8"
    " minutes, so that a mail server can be restarted meanwhile.",
    "PT30S",
    pattern=_DURATION,
)
_TIMEOUT = _header(
    "jobTimeout",
    "timeout",
    "Job timeout",
    "Duration after which Camunda gives the job to another worker, such as `PT2M`. Left empty, the"
    " worker extends it as long as it works on the job.",
    "PT2M",
    pattern=_DURATION,
)
