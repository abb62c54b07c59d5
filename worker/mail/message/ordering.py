"""The order of a list: by one key; emails without the key come last, equal ones by their number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from worker.models.email import ListedEmail, SortField, SortOrder

SortKey = int | float | datetime
L = TypeVar("L", bound=ListedEmail)


def sort_numbers(
    keys: Iterable[tuple[int, SortKey | None]], order: SortOrder, *, limit: int | None = None
) -> list[int]:
    """Return message numbers (UIDs) in the order of their keys, at most `limit` of them.

    Numbers without a key come last in both orders; equals come by number, lowest first, in both orders.
    Keys are all of one type.
    """
    key_of: dict[int, Any] = dict(keys)
    numbers = sorted(key_of)
    without_key = [number for number in numbers if key_of[number] is None]
    if without_key:
        numbers = [number for number in numbers if key_of[number] is not None]
    # Python's sort is stable also when reversed: equals stay in the order of their numbers. A mailbox is
    # almost in order, which is where sorting all takes less than keeping the first few (heapq).
    numbers.sort(key=key_of.__getitem__, reverse=order is SortOrder.DESC)
    return [*numbers, *without_key][:limit]


def sort_listed(
    mails: Iterable[tuple[int, L]], field: SortField, order: SortOrder, *, limit: int | None = None
) -> list[L]:
    """Return emails, given with their numbers, in order: see `sort_numbers`."""
    by_number = dict(mails)
    keys = ((number, sort_key(mail, field)) for number, mail in by_number.items())
    return [by_number[number] for number in sort_numbers(keys, order, limit=limit)]


def sort_key(mail: ListedEmail, field: SortField) -> SortKey | None:
    """Return what an email is sorted by, or None if it lacks that."""
    if field is SortField.SIZE:
        return mail.size
    return mail.sent_date if field is SortField.SENT_DATE else mail.received_date_time
