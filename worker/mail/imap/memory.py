"""What is remembered of folders between operations, within bounds. Safe to use from several threads."""

from __future__ import annotations

import itertools
import sys
import threading
from array import array
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from worker.mail.account import Account
from worker.mail.imap.session import SelectedFolder
from worker.models.email import SortField, SortOrder

# A key with its names, and the objects around the arrays.
_ENTRY_BYTES = 1000
# The objects of a known message beside its texts: the dataclass, two dates, its place in the dictionary.
_MESSAGE_BYTES = 320
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

    def first(self, order: SortOrder, limit: int) -> list[int]:
        """Return the UIDs that come first: those without a key last, equals by UID, in both directions."""
        keys, missing = self.keys, self.MISSING
        places = [place for place, key in enumerate(keys) if key != missing]
        # Python's sort is stable also when reversed: equals stay in the order of their UIDs.
        places.sort(key=keys.__getitem__, reverse=order is SortOrder.DESC)
        places += [place for place, key in enumerate(keys) if key == missing]
        return [self.uids[place] for place in places[:limit]]

    def extended(self, added: SortKeys) -> SortKeys:
        """Return these and further ones, which have higher UIDs."""
        if not added.uids:
            return self
        if any(one > other for one, other in itertools.pairwise(added.uids)):
            pairs = sorted(zip(added.uids, added.keys, strict=True))
            added = SortKeys(array("I", (uid for uid, _ in pairs)), array("q", (key for _, key in pairs)))
        return SortKeys(self.uids + added.uids, self.keys + added.keys)

    def only(self, present: set[int]) -> SortKeys:
        """Return those of messages that are still there."""
        kept = [(uid, key) for uid, key in zip(self.uids, self.keys, strict=True) if uid in present]
        return SortKeys(array("I", (uid for uid, _ in kept)), array("q", (key for _, key in kept)))


@dataclass(frozen=True, slots=True)
class KnownMessage:
    """What lists show of a message, which never changes under its UID (RFC 9051, 2.3).

    `size` in octets, dates in UTC; what the message lacks is None. `is_whole`: not only its id and its
    subject are known, which is what searches show.
    """

    message_id: str | None
    subject: str | None
    from_address: str | None
    sent_date: datetime | None
    received_date: datetime | None
    size: int
    is_whole: bool

    @property
    def bytes(self) -> int:
        """What it takes in memory, more or less."""
        texts = (self.message_id, self.from_address, self.subject)
        return _MESSAGE_BYTES + sum(sys.getsizeof(text) for text in texts if text is not None)


class ImapMemory:
    """Messages by UID, sort keys of folders, Message-IDs, and runner that broke off after a change.

    Of each, what was used longest ago is forgotten first; messages before sort keys, which take more to
    learn again. `bytes`: what messages and sort keys take now. Nothing is remembered of a folder without
    UIDVALIDITY, whose UIDs mean something only while it is selected.
    """

    def __init__(self, *, max_bytes: int, max_known_ids: int) -> None:
        self._lock = threading.Lock()
        self._messages: OrderedDict[FolderKey, dict[int, KnownMessage]] = OrderedDict()
        self._sort_keys: OrderedDict[tuple[FolderKey, SortField], SortKeys] = OrderedDict()
        self.bytes = 0
        self._max_bytes = max_bytes
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
        if not folder.uid_validity:
            return
        with self._lock:
            before = self._sort_keys.pop((folder, sort_field), None)
            self._sort_keys[folder, sort_field] = keys
            self.bytes += keys.bytes - (before.bytes if before else 0)
            self._make_room()

    def knows_messages(self, folder: FolderKey) -> bool:
        """Tell whether any message of a folder is known."""
        with self._lock:
            return folder in self._messages

    def messages(self, folder: FolderKey, uids: Iterable[int]) -> dict[int, KnownMessage]:
        """Return those of a folder's messages that are known."""
        with self._lock:
            known = self._messages.get(folder)
            if known is None:
                return {}
            self._messages.move_to_end(folder)
            return {uid: known[uid] for uid in uids if uid in known}

    def keep_messages(self, folder: FolderKey, messages: Mapping[int, KnownMessage]) -> None:
        """Remember further messages of a folder."""
        if not folder.uid_validity:
            return
        with self._lock:
            known = self._messages.setdefault(folder, {})
            self._messages.move_to_end(folder)
            for uid, message in messages.items():
                before = known.get(uid)
                known[uid] = message
                self.bytes += message.bytes - (before.bytes if before else 0)
            self._make_room()

    def _make_room(self) -> None:
        while self.bytes > self._max_bytes:
            if self._messages:
                _, messages = self._messages.popitem(last=False)
                self.bytes -= sum(message.bytes for message in messages.values())
            else:
                _, keys = self._sort_keys.popitem(last=False)
                self.bytes -= keys.bytes

    def message_ids(self, folder: FolderKey, uids: Iterable[int]) -> dict[int, str | None]:
        """Return the Message-IDs of those of the UIDs of which they are known."""
        with self._lock:
            messages = self._messages.get(folder, {})
            listed = {uid: messages[uid].message_id for uid in uids if uid in messages}
            return listed | {uid: self._ids[folder, uid] for uid in uids if (folder, uid) in self._ids}

    def keep_message_ids(self, folder: FolderKey, message_ids: Iterable[tuple[int, str | None]]) -> None:
        """Remember the Message-IDs of messages that no list has shown."""
        if not folder.uid_validity:
            return
        with self._lock:
            for uid, message_id in message_ids:
                if message_id is not None and len(message_id) > _LONGEST_ID:
                    continue
                self._ids[folder, uid] = message_id
                self._ids.move_to_end((folder, uid))
            while len(self._ids) > self._max_entries:
                self._ids.popitem(last=False)

    def note_broken_off(self, reference: Hashable) -> None:
        """Remember that a context's outcome is unknown: its next attempt may find its work done."""
        with self._lock:
            self._broken_off[reference] = None
            while len(self._broken_off) > self._max_entries:
                self._broken_off.popitem(last=False)

    def has_broken_off(self, reference: Hashable) -> bool:
        """Tell whether an earlier attempt at this context broke off after it had changed something."""
        with self._lock:
            return reference in self._broken_off
