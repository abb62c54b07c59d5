"""The mail server and account of a task that names none: those of the worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.errors import InputError
from worker.job.assignment import Assignment
from worker.job.input_faults import refuse_misspelt_groups
from worker.operations.catalogue import Operation


def assign(
    operation: Operation, defaults: Mapping[str, Mapping[str, Any]], variables: Mapping[str, Any]
) -> Assignment:
    """Read a job of the worker's own types. `defaults`: the worker's `server` and `authentication`, or empty.

    The worker's account is used only at the worker's server: no diagram can send it elsewhere. Raises
    InputError if a group's name is misspelt, or if the task needs a default server and the worker has none.
    """
    refuse_misspelt_groups(operation.request, variables)
    server = variables.get("server")
    if not _is_empty(server):
        return Assignment(operation, variables)
    if not defaults:
        if server is None:
            return Assignment(operation, variables)
        raise InputError(
            "server names no mail server, and the worker has no default one; fill it in, or ask the operator"
            f" to set EMAIL_WORKER_DEFAULT_{operation.protocol.upper()}_HOST.",
            field="server",
        )
    has_own_account = not _is_empty(variables.get("authentication"))
    own = {"authentication": variables["authentication"]} if has_own_account else {}
    return Assignment(operation, {**variables, **defaults, **own})


def _is_empty(group: Any) -> bool:
    """Tell whether nothing is given: null, or a context in which all is null or blank."""
    if group is None:
        return True
    if not isinstance(group, Mapping):
        return False
    return all(value is None or (isinstance(value, str) and not value.strip()) for value in group.values())
