"""What an error expression can decide: a BPMN error, a failed job, or no error.

The functions return contexts: `errorType` and the arguments by name. An argument of the wrong type is
an error rather than null, which would silently mean "no error".
"""

from __future__ import annotations

from worker.feel.comparison import kind_of
from worker.feel.error import FeelError
from worker.feel.run import Run
from worker.feel.signature import Library
from worker.feel.values import Value

LIBRARY = Library()
_BPMN_PARAMETERS = ("errorCode", "errorMessage", "variables")
_JOB_PARAMETERS = ("errorMessage", "variables", "retries", "retryBackoff")
_KINDS = {
    "errorCode": {"string", "number"},
    "errorMessage": {"string", "null"},
    "variables": {"context", "null"},
    "retries": {"number", "null"},
    "retryBackoff": {"days and time duration", "string", "null"},
}


def _outcome(error_type: str, arguments: dict[str, Value]) -> dict[str, Value]:
    for name, value in arguments.items():
        if kind_of(value) not in _KINDS[name]:
            wanted = " or ".join(sorted(_KINDS[name] - {"null"}))
            raise FeelError(f"{error_type}() needs a {wanted} as its {name}, not a {kind_of(value)}.")
    return {"errorType": error_type, **arguments}


def _add(error_type: str, parameters: tuple[str, ...]) -> None:
    @LIBRARY.add(error_type, *parameters)
    def _(_run: Run, *values: Value) -> Value:
        return _outcome(error_type, dict(zip(parameters, values, strict=True)))


for _count in range(1, len(_BPMN_PARAMETERS) + 1):
    _add("bpmnError", _BPMN_PARAMETERS[:_count])
for _count in range(1, len(_JOB_PARAMETERS) + 1):
    _add("jobError", _JOB_PARAMETERS[:_count])
_add("ignoreError", ())
_add("ignoreError", ("variables",))
