"""A dict that keeps its newest entries."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST = 10_000


class Recent(OrderedDict[K, V]):
    """Entries of `most` together: those that were not set for the longest time go first.

    `size_of`: what a value counts, by default one. Entries may be set and read from several threads.
    """

    def __init__(self, most: int = MOST, size_of: Callable[[V], int] | None = None) -> None:
        super().__init__()
        self._most = most
        self._size_of = size_of
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """What all entries count together."""
        return sum(map(self._size_of, self.values())) if self._size_of else len(self)

    def __setitem__(self, key: K, value: V) -> None:
        with self._lock:
            self._set(key, value)

    def keep_first(self, key: K, value: V) -> V:
        """Set an entry if there is none, and return the one that is there now."""
        with self._lock:
            first = self.get(key, value)
            self._set(key, first)
            return first

    def _set(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        excess = self.size - self._most
        while excess > 0:
            oldest = self.popitem(last=False)[1]
            excess -= self._size_of(oldest) if self._size_of else 1
