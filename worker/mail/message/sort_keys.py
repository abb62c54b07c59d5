"""The order of a list: by one key; emails without the key come last, equal ones by their number. Pure."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from worker.models.email import ListedEmail, SortField, SortOrder

L = TypeVar("L", bound=ListedEmail)

_MISSING = -(2**63)  # no date is as early as this
_LARGEST = 2**63 - 1  # a server may tell of a larger size


class SortKeys:
    """Keys by number or UID, ascending, in 12 bytes each: sizes, or moments in seconds. Never changed."""

    def __init__(self, pairs: Iterable[tuple[int, int | None]] = ()) -> None:
        self.uids, self._keys = array("I"), array("q")
        for uid, key in pairs:
            if uid >> 32 and self.uids.typecode == "I":  # no UID of RFC 9051, but some servers have them
                self.uids = array("Q", self.uids)
            self.uids.append(uid)
            self._keys.append(_MISSING if key is None else min(key, _LARGEST))
        if any(one >= other for one, other in itertools.pairwise(self.uids)):
            known = dict(self.items())
            self.uids = array(self.uids.typecode, sorted(known))
            self._keys = array("q", (known[uid] for uid in self.uids))

    @property
    def bytes(self) -> int:
        """What they take in memory, more or less, with a kilobyte for the objects around them."""
        return 1000 + 12 * len(self.uids)

    def items(self) -> Iterable[tuple[int, int]]:
        """Return UIDs and keys."""
        return zip(self.uids, self._keys, strict=True)

    def first(self, order: SortOrder, limit: int | None = None) -> list[int]:
        """Return the UIDs that come first: those without a key last, equals by UID, in both directions."""
        keys = self._keys
        places = [place for place, key in enumerate(keys) if key != _MISSING]
        # Python's sort is stable also when reversed: equals stay in the order of their UIDs.
        places.sort(key=keys.__getitem__, reverse=order is SortOrder.DESC)
        places += [place for place, key in enumerate(keys) if key == _MISSING]
        return [self.uids[place] for place in places[:limit]]


def sort_listed(
    emails: Mapping[int, L], field: SortField, order: SortOrder, *, limit: int | None = None
) -> list[L]:
    """Return emails, given by their numbers, in order."""
    keys = SortKeys((number, _key(email, field)) for number, email in emails.items())
    return [emails[number] for number in keys.first(order, limit)]


def _key(email: ListedEmail, field: SortField) -> int | None:
    if field is SortField.SIZE:
        return email.size
    return in_seconds(email.sent_date if field is SortField.SENT_DATE else email.received_date_time)


def in_seconds(moment: datetime | None) -> int | None:
    """Return a moment as a key; no email has a date that is more exact."""
    return None if moment is None else int(moment.timestamp())
