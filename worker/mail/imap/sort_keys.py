"""What messages are sorted by at servers without SORT. Safe to use from several threads."""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from worker.mail.account import Account
from worker.models.email import SortField, SortOrder

_ENTRY_BYTES = 1000  # the key of an entry with its names, and the objects around the arrays
_MISSING = -(2**63)  # no date is as early as this


@dataclass(frozen=True, slots=True)
class SortKeys:
    """Sort keys by UID, ascending, in 12 bytes a message: numbers, or moments in seconds."""

    uids: array[int] = field(default_factory=lambda: array("I"))
    keys: array[int] = field(default_factory=lambda: array("q"))

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int | None]]) -> SortKeys:
        """Make them of UIDs and keys; None if a message has none."""
        known = sorted(dict(pairs).items())
        keys = (_MISSING if key is None else key for _, key in known)
        return cls(array("I", (uid for uid, _ in known)), array("q", keys))

    @property
    def last_uid(self) -> int:
        """The highest UID, or 0."""
        return self.uids[-1] if self.uids else 0

    @property
    def bytes(self) -> int:
        """What they take in memory, more or less."""
        return _ENTRY_BYTES + len(self.uids) * (self.uids.itemsize + self.keys.itemsize)

    def first(self, order: SortOrder, limit: int) -> list[int]:
        """Return the UIDs that come first: those without a key last, equals by UID, in both directions."""
        keys = self.keys
        places = [place for place, key in enumerate(keys) if key != _MISSING]
        # Python's sort is stable also when reversed: equals stay in the order of their UIDs.
        places.sort(key=keys.__getitem__, reverse=order is SortOrder.DESC)
        places += [place for place, key in enumerate(keys) if key == _MISSING]
        return [self.uids[place] for place in places[:limit]]

    def joined(self, others: SortKeys) -> SortKeys:
        """Return these and further ones, which have higher UIDs."""
        return SortKeys(self.uids + others.uids, self.keys + others.keys)

    def only(self, present: set[int]) -> SortKeys:
        """Return those of messages that are still there."""
        places = [place for place, uid in enumerate(self.uids) if uid in present]
        uids, keys = (self.uids[place] for place in places), (self.keys[place] for place in places)
        return SortKeys(array("I", uids), array("q", keys))


# Account, folder, its UIDVALIDITY: keys under it are worthless when that changes.
Place = tuple[Account, str, int, SortField]


class SortKeyMemory:
    """Sort keys of the folders that were listed last, at most `max_bytes` of them; `bytes` are taken now."""

    def __init__(self, max_bytes: int) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._keys: OrderedDict[Place, SortKeys] = OrderedDict()

    def get(self, place: Place) -> SortKeys:
        """Return the keys known of a folder; perhaps none."""
        with self._lock:
            return self._keys.get(place, SortKeys())

    def keep(self, place: Place, keys: SortKeys) -> None:
        """Remember the keys of a folder in place of those known before."""
        _, _, uid_validity, _ = place
        if not uid_validity:  # its UIDs mean something only while the folder is selected
            return
        with self._lock:
            before = self._keys.pop(place, None)
            self._keys[place] = keys
            self.bytes += keys.bytes - (before.bytes if before else 0)
            while self.bytes > self._max_bytes:
                _, forgotten = self._keys.popitem(last=False)
                self.bytes -= forgotten.bytes
