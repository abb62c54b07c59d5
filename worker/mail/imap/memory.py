"""What is remembered of folders from one operation to the next."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from worker.mail.account import Account
from worker.models.email import SortField

# Account, folder, its UIDVALIDITY: what is kept under it is worthless when that changes.
Place = tuple[Account, str, int]
SortPlace = tuple[Place, SortField]


@dataclass(slots=True)
class DeletedFlags:
    """UIDs of one folder to be flagged as deleted again. The lock: one session at a time expunges there."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    uids: set[int] = field(default_factory=set)
