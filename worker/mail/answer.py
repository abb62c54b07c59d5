"""What an operation gives back: the result, and what may happen only once the engine has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from worker.models.base import Result


class Deferred(Protocol):
    """The part of an operation that destroys something, held back until the engine has the result."""

    async def commit(self) -> None:
        """Do it: the engine has taken the result. Raises a MailServerError where that fails."""

    async def abandon(self) -> None:
        """Leave everything as it was and let go of the session. Never raises."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of an operation.

    `has_effect`: something outside has changed already, so the operation must not be done again for
    the same job. `deferred`: what still has to wait for the engine.
    """

    result: Result | list[Result]
    has_effect: bool = False
    deferred: Deferred | None = None
