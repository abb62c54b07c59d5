"""What the engine has written to its record stream, and waiting for what it will write."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from worker.sandbox.errors import SandboxError

Found = TypeVar("Found")


@dataclass(frozen=True)
class Record:
    """One event; `value` has its fields by name.

    `value_type` is PROCESS_INSTANCE, VARIABLE, JOB, INCIDENT or JOB_BATCH (a worker has asked for jobs).
    """

    value_type: str
    intent: str
    key: int
    timestamp: int
    value: dict[str, Any]

    def is_a(self, value_type: str, intent: str) -> bool:
        """Whether it is this event of this type."""
        return self.value_type == value_type and self.intent == intent


class Records:
    """Every record so far, by process instance."""

    def __init__(self) -> None:
        self.on_record: Callable[[Record], None] = lambda _record: None
        self._by_instance: dict[int, list[Record]] = defaultdict(list)
        # Each is set once: when its instance gets a record, or the engine ends.
        self._news: dict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self._ended: SandboxError | None = None

    def add(self, event: dict[str, Any]) -> None:
        """Take one record as the engine serialises it, and wake those who wait for it."""
        record = Record(
            value_type=event["valueType"],
            intent=event["intent"],
            key=event["key"],
            timestamp=event["timestamp"],
            value=event["value"],
        )
        if record.value_type != "JOB_BATCH":
            for instance in _instances(record):
                self._by_instance[instance].append(record)
                if instance in self._news:
                    self._news.pop(instance).set()
        self.on_record(record)

    def end(self, reason: SandboxError) -> None:
        """Fail every wait: the engine writes no more."""
        self._ended = reason
        for news in self._news.values():
            news.set()

    def of(self, instance: int) -> list[Record]:
        """The records of one process instance, oldest first."""
        return list(self._by_instance[instance])

    async def first(
        self, instance: int, find: Callable[[Record], Found | None], *, within_seconds: float, what: str
    ) -> Found:
        """Wait for the first record of an instance, past or to come, in which `find` finds something."""
        records, seen = self._by_instance[instance], 0
        try:
            async with asyncio.timeout(within_seconds):
                while True:
                    for record in records[seen:]:
                        seen += 1
                        if (found := find(record)) is not None:
                            return found
                    if self._ended is not None:
                        raise self._ended
                    await self._news[instance].wait()
        except TimeoutError as error:
            raise SandboxError(
                f"Instance {instance}: no {what} within {within_seconds:g} s; {self._story(instance)}"
            ) from error

    def _story(self, instance: int) -> str:
        last = self._by_instance[instance][-5:]
        return "last events: " + (", ".join(f"{each.value_type} {each.intent}" for each in last) or "none")


def _instances(record: Record) -> set[int]:
    """Return the instance of a record; of an incident, also those that called it, as in Operate."""
    called = record.value.get("elementInstancePath", ()) if record.value_type == "INCIDENT" else ()
    return {record.value["processInstanceKey"], *(path[0] for path in called)}
