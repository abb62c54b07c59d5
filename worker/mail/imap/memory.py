"""What is remembered of folders between operations, within bounds. Safe to use from several threads."""

from __future__ import annotations

import itertools
import threading
from array import array
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from worker.mail.account import Account
from worker.mail.imap.session import SelectedFolder
from worker.models.mail import SortField

# A key with its names, and the objects around the arrays.
_ENTRY_BYTES = 1000
# An id longer than a header line may be (RFC 5322, 2.1.1) is not worth the room.
_LONGEST_ID = 998


@dataclass(frozen=True, slots=True)
class FolderKey:
    """A folder as numbered by its UIDVALIDITY: what is remembered under it goes stale with that."""

    account: Account
    name: str
    uid_validity: int

    @classmethod
    def of(cls, account: Account, folder: SelectedFolder) -> FolderKey:
        """The key of a folder that is selected."""
        return cls(account, folder.name, folder.uid_validity)


@dataclass(frozen=True, slots=True)
class SortKeys:
    """What the messages of a folder are sorted by, by UID, ascending: 12 bytes a message.

    Not altered once they are remembered.
    """

    uids: array[int] = field(default_factory=lambda: array("I"))
    keys: array[int] = field(default_factory=lambda: array("q"))

    # No date is as early as this.
    MISSING: ClassVar[int] = -(2**63)

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def last_uid(self) -> int:
        """The highest UID, or 0."""
        return self.uids[-1] if self.uids else 0

    @property
    def bytes(self) -> int:
        """What they take in memory, more or less."""
        return _ENTRY_BYTES + len(self.uids) * (self.uids.itemsize + self.keys.itemsize)

    def entries(self) -> Iterator[tuple[int, int | None]]:
        """Yield each UID with its key, None where the message has none."""
        for uid, key in zip(self.uids, self.keys, strict=True):
            yield uid, None if key == self.MISSING else key

    def extended(self, added: SortKeys) -> SortKeys:
        """Return these and further ones, which have higher UIDs."""
        if any(one > other for one, other in itertools.pairwise(added.uids)):
            pairs = sorted(zip(added.uids, added.keys, strict=True))
            added = SortKeys(array("I", (uid for uid, _ in pairs)), array("q", (key for _, key in pairs)))
        return SortKeys(self.uids + added.uids, self.keys + added.keys)

    def only(self, present: set[int]) -> SortKeys:
        """Return those of messages that are still there."""
        kept = [(uid, key) for uid, key in zip(self.uids, self.keys, strict=True) if uid in present]
        return SortKeys(array("I", (uid for uid, _ in kept)), array("q", (key for _, key in kept)))


class ImapMemory:
    """Sort keys of folders, Message-IDs by UID, and errands that broke off after they had changed something.

    Of each, what was used longest ago is forgotten first. `sort_key_bytes`: what the sort keys take now.
    """

    def __init__(self, *, max_sort_key_bytes: int, max_known_ids: int) -> None:
        self._lock = threading.Lock()
        self._sort_keys: OrderedDict[tuple[FolderKey, SortField], SortKeys] = OrderedDict()
        self.sort_key_bytes = 0
        self._max_sort_key_bytes = max_sort_key_bytes
        self._ids: OrderedDict[tuple[FolderKey, int], str | None] = OrderedDict()
        self._broken_off: OrderedDict[Hashable, None] = OrderedDict()
        self._max_entries = max_known_ids

    def sort_keys(self, folder: FolderKey, sort_field: SortField) -> SortKeys:
        """Return the keys known of a folder; perhaps none."""
        with self._lock:
            keys = self._sort_keys.get((folder, sort_field))
            if keys is None:
                return SortKeys()
            self._sort_keys.move_to_end((folder, sort_field))
            return keys

    def keep_sort_keys(self, folder: FolderKey, sort_field: SortField, keys: SortKeys) -> None:
        """Remember the keys of a folder in place of those known before."""
        with self._lock:
            before = self._sort_keys.pop((folder, sort_field), None)
            self._sort_keys[folder, sort_field] = keys
            self.sort_key_bytes += keys.bytes - (before.bytes if before else 0)
            while self.sort_key_bytes > self._max_sort_key_bytes:
                _, forgotten = self._sort_keys.popitem(last=False)
                self.sort_key_bytes -= forgotten.bytes

    def message_ids(self, folder: FolderKey, uids: Iterable[int]) -> dict[int, str | None]:
        """Return the Message-IDs of those of the UIDs of which they are known."""
        with self._lock:
            return {uid: self._ids[folder, uid] for uid in uids if (folder, uid) in self._ids}

    def keep_message_ids(self, folder: FolderKey, message_ids: Iterable[tuple[int, str | None]]) -> None:
        """Remember the Message-IDs of messages; a message never changes under its UID."""
        with self._lock:
            for uid, message_id in message_ids:
                if message_id is not None and len(message_id) > _LONGEST_ID:
                    continue
                self._ids[folder, uid] = message_id
                self._ids.move_to_end((folder, uid))
            while len(self._ids) > self._max_entries:
                self._ids.popitem(last=False)

    def note_broken_off(self, reference: Hashable) -> None:
        """Remember that an errand's outcome is unknown: its next attempt may find its work done."""
        with self._lock:
            self._broken_off[reference] = None
            while len(self._broken_off) > self._max_entries:
                self._broken_off.popitem(last=False)

    def has_broken_off(self, reference: Hashable) -> bool:
        """Tell whether an earlier attempt at this errand broke off after it had changed something."""
        with self._lock:
            return reference in self._broken_off
