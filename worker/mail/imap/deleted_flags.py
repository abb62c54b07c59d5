"""Others' flags that are taken away while a folder is expunged. Safe to use from several threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from worker.mail.account import Account

# Account, folder, its UIDVALIDITY.
Place = tuple[Account, str, int]
_MOST_PLACES = 10_000


@dataclass(slots=True)
class SetAside:
    """UIDs of one folder whose flag must be put back. The lock: one session at a time expunges there."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    uids: set[int] = field(default_factory=set)


class DeletedFlags:
    """What is set aside in each folder, also if the session that did it has broken. Bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: OrderedDict[Place, SetAside] = OrderedDict()

    def of(self, place: Place) -> SetAside:
        """Return what is set aside in a folder; perhaps nothing."""
        with self._lock:
            aside = self._places.setdefault(place, SetAside())
            self._places.move_to_end(place)
            if len(self._places) > _MOST_PLACES:
                self._places.popitem(last=False)
            return aside
