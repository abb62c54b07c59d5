"""What a job asks for, in the worker's terms: an operation and its variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from worker.job.notation import OWN_NOTATION, Notation


class Operation(Protocol):
    """What a job needs to know of an operation."""

    @property
    def task_type(self) -> str:
        """The job type of the operation."""

    @property
    def request(self) -> type[BaseModel]:
        """The model of its variables."""


def _unchanged(result: Any) -> Any:
    return result


@dataclass(frozen=True, slots=True)
class Assignment:
    """An operation and the variables that it takes.

    `notation`: how the diagram writes them. `reshape`: from the operation's result, as JSON values, to the
    one that the diagram expects.
    """

    operation: Operation
    variables: Mapping[str, Any]
    notation: Notation = OWN_NOTATION
    reshape: Callable[[Any], Any] = _unchanged


# Reads the variables of a job; raises InputError where they name nothing that can be done.
Interpret = Callable[[Mapping[str, Any]], Assignment]
