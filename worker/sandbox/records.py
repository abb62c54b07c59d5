"""What the engine has written to its record stream, and waiting for what it will write."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

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


class _Watch(Generic[Found]):
    """Somebody who waits for a record."""

    def __init__(self, find: Callable[[Record], Found | None]) -> None:
        self._find = find
        self.found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()

    def look_at(self, record: Record) -> None:
        if self.found.done():
            return
        try:
            found = self._find(record)
        except SandboxError as error:
            self.fail(error)
        else:
            if found is not None:
                self.found.set_result(found)

    def fail(self, reason: SandboxError) -> None:
        if not self.found.done():
            self.found.set_exception(reason)


class Records:
    """Every record so far, by process instance."""

    def __init__(self) -> None:
        self.on_record: Callable[[Record], None] = lambda _record: None
        self._by_instance: dict[int, list[Record]] = defaultdict(list)
        self._watches: dict[int, list[_Watch[Any]]] = defaultdict(list)

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
                for watch in list(self._watches[instance]):
                    watch.look_at(record)
        self.on_record(record)

    def end(self, reason: SandboxError) -> None:
        """Fail every wait: the engine writes no more."""
        for watch in itertools.chain.from_iterable(self._watches.values()):
            watch.fail(reason)

    def of(self, instance: int) -> list[Record]:
        """The records of one process instance, oldest first."""
        return list(self._by_instance[instance])

    async def first(
        self, instance: int, find: Callable[[Record], Found | None], *, within_seconds: float, what: str
    ) -> Found:
        """Wait for the first record of an instance, past or to come, in which `find` finds something."""
        for record in self._by_instance[instance]:
            if (past := find(record)) is not None:
                return past
        watch = _Watch(find)
        self._watches[instance].append(watch)
        try:
            async with asyncio.timeout(within_seconds):
                return await watch.found
        except TimeoutError as error:
            raise SandboxError(
                f"Instance {instance}: no {what} within {within_seconds:g} s; {self._story(instance)}"
            ) from error
        finally:
            self._watches[instance].remove(watch)

    def _story(self, instance: int) -> str:
        last = self._by_instance[instance][-5:]
        return "last events: " + (", ".join(f"{each.value_type} {each.intent}" for each in last) or "none")


def _instances(record: Record) -> set[int]:
    """Return the instance of a record; of an incident, also those that called it, as in Operate."""
    called = record.value.get("elementInstancePath", ()) if record.value_type == "INCIDENT" else ()
    return {record.value["processInstanceKey"], *(path[0] for path in called)}
