"""What is remembered from one operation to the next, within a bound. Safe to use from several threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from worker.mail.account import Account
from worker.models.email import SortField

# Account, folder, its UIDVALIDITY: what is kept under it is worthless when that changes.
Place = tuple[Account, str, int]
SortPlace = tuple[Place, SortField]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class DeletedFlags:
    """UIDs of one folder to be flagged as deleted again. The lock: one session at a time expunges there."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    uids: set[int] = field(default_factory=set)


class Memory(Generic[K, V]):
    """The values that were kept last, of `max_size` together. `size_of`: by default each counts as one."""

    def __init__(self, max_size: int, size_of: Callable[[V], int] = lambda _: 1) -> None:
        self.size = 0
        self._max_size = max_size
        self._size_of = size_of
        self._lock = threading.Lock()
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K, default: V) -> V:
        """Return a value; `default` if it is not known."""
        with self._lock:
            return self._values.get(key, default)

    def keep(self, key: K, value: V) -> None:
        """Remember a value in place of the one known before."""
        with self._lock:
            self._keep(key, value)

    def keep_first(self, key: K, value: V) -> V:
        """Remember a value if none is known, and return the one that is known now."""
        with self._lock:
            first = self._values.get(key, value)
            self._keep(key, first)
            return first

    def _keep(self, key: K, value: V) -> None:
        if key in self._values:
            self.size -= self._size_of(self._values.pop(key))
        self._values[key] = value
        self.size += self._size_of(value)
        while self.size > self._max_size:
            self.size -= self._size_of(self._values.popitem(last=False)[1])
