"""FEEL as Camunda evaluates it: the yardstick for the expression engine of this package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from worker.sandbox.archive import engine_java
from worker.sandbox.child import Child, Listener


@dataclass(frozen=True)
class FeelAnswer:
    """What an expression gave: a JSON value, or the error in the engine's words.

    Dates, times and durations are FEEL's text for them ("2026-01-31", "PT5M"), whole numbers are int,
    others float; a function or a range, for which JSON has no form, is None or its text, as in a process.
    """

    value: Any = None
    error: str | None = None


class FeelReference:
    """A running reference engine. Make it with `FeelReference.start`."""

    def __init__(self, child: Child) -> None:
        self._child = child

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncIterator[FeelReference]:
        """Run the engine in a separate process until the context ends."""
        java = await asyncio.to_thread(engine_java)
        child = await Child.start("feel", java, Listener())
        try:
            yield cls(child)
        finally:
            await child.kill()

    async def evaluate(self, expression: str, variables: Mapping[str, Any] | None = None) -> FeelAnswer:
        """Evaluate one expression, written without the leading "=", over JSON variables."""
        return (await self.evaluate_all([(expression, variables or {})]))[0]

    async def evaluate_all(self, questions: Sequence[tuple[str, Mapping[str, Any]]]) -> list[FeelAnswer]:
        """Evaluate many (expression, variables) in one round trip, in their order."""
        answers = await self._child.ask(
            "evaluate_all", questions=[(text, dict(given)) for text, given in questions]
        )
        return [FeelAnswer(**answer) for answer in answers]
