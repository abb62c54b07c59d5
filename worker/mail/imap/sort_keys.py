"""What messages are sorted by at servers without SORT. Safe to use from several threads."""

from __future__ import annotations

import itertools
import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterable

from worker.mail.account import Account
from worker.models.email import SortField, SortOrder

# Account, folder, its UIDVALIDITY: what is kept under it is worthless when that changes.
Place = tuple[Account, str, int, SortField]

_MISSING = -(2**63)  # no date is as early as this


class SortKeys:
    """Keys by UID, ascending, in 12 bytes a message: sizes, or moments in seconds. Never changed."""

    def __init__(self, pairs: Iterable[tuple[int, int | None]] = ()) -> None:
        self.uids, self._keys = array("I"), array("q")
        for uid, key in pairs:
            self.uids.append(uid)
            self._keys.append(_MISSING if key is None else key)
        if any(one >= other for one, other in itertools.pairwise(self.uids)):
            known = dict(self.items())
            self.uids = array("I", sorted(known))
            self._keys = array("q", (known[uid] for uid in self.uids))

    def items(self) -> Iterable[tuple[int, int]]:
        """Return UIDs and keys."""
        return zip(self.uids, self._keys, strict=True)

    def first(self, order: SortOrder, limit: int) -> list[int]:
        """Return the UIDs that come first: those without a key last, equals by UID, in both directions."""
        keys = self._keys
        places = [place for place, key in enumerate(keys) if key != _MISSING]
        # Python's sort is stable also when reversed: equals stay in the order of their UIDs.
        places.sort(key=keys.__getitem__, reverse=order is SortOrder.DESC)
        places += [place for place, key in enumerate(keys) if key == _MISSING]
        return [self.uids[place] for place in places[:limit]]


class SortKeyMemory:
    """Sort keys of the folders that were listed last, at most `max_bytes` of them."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._keys: OrderedDict[Place, SortKeys] = OrderedDict()

    @property
    def bytes(self) -> int:
        """What they take in memory, more or less, with a kilobyte for the objects around each."""
        return sum(1000 + 12 * len(keys.uids) for keys in self._keys.values())

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
            self._keys[place] = keys
            self._keys.move_to_end(place)
            while self.bytes > self._max_bytes:
                self._keys.popitem(last=False)
