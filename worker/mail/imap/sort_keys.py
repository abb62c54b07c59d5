"""What is remembered of folders at servers without SORT. Safe to use from several threads."""

from __future__ import annotations

import threading
from collections import OrderedDict

from worker.mail.account import Account
from worker.mail.message.sort_keys import SortKeys
from worker.models.email import SortField

# Account, folder, its UIDVALIDITY: what is kept under it is worthless when that changes.
Place = tuple[Account, str, int, SortField]


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
