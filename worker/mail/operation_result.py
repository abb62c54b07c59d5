"""What an operation returns: the result, and the deletion that waits until Camunda has stored it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from worker.models.base import Result


class Deferred(Protocol):
    """A deletion that waits until Camunda has stored the result."""

    async def commit(self) -> None:
        """Delete: Camunda has stored the result. Raises a MailServerError on failure."""

    async def abandon(self) -> None:
        """Delete nothing and release the session. Never raises."""


@dataclass(frozen=True, slots=True)
class OperationResult:
    """The result of an operation.

    `has_effect`: something outside has already changed, so the operation must not be repeated for the same
    job. `deferred`: the deletion that waits for Camunda.
    """

    result: Result | list[Result]
    has_effect: bool = False
    deferred: Deferred | None = None
