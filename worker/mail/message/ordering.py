"""The order of a list: by one key, what has no key last, equals by their number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from worker.models.mail import ListedMail, SortField, SortOrder

SortKey = int | float | datetime


def sort_numbers(
    keys: Iterable[tuple[int, SortKey | None]], order: SortOrder, *, limit: int | None = None
) -> list[int]:
    """Return message numbers (UIDs) in the order of their keys, at most `limit` of them.

    Numbers without a key come last in both orders; equals come by number, lowest first, in both orders.
    Keys are all of one type.
    """
    with_key: list[tuple[int, SortKey]] = []
    without_key: list[int] = []
    for number, key in keys:
        if key is None:
            without_key.append(number)
        else:
            with_key.append((number, key))
    with_key.sort(key=_number)
    # Python's sort is stable also when reversed: equals stay in the order of their numbers.
    with_key.sort(key=_key, reverse=order is SortOrder.DESC)
    return [*(number for number, _ in with_key), *sorted(without_key)][:limit]


def sort_listed(
    mails: Iterable[tuple[int, ListedMail]], field: SortField, order: SortOrder, *, limit: int | None = None
) -> list[ListedMail]:
    """Return mails, given with their numbers, in order: see `sort_numbers`."""
    by_number = dict(mails)
    keys = ((number, sort_key(mail, field)) for number, mail in by_number.items())
    return [by_number[number] for number in sort_numbers(keys, order, limit=limit)]


def sort_key(mail: ListedMail, field: SortField) -> SortKey | None:
    """Return what a mail is sorted by, or None if it lacks that."""
    if field is SortField.SIZE:
        return mail.size
    return mail.sent_date if field is SortField.SENT_DATE else mail.received_date_time


def _number(entry: tuple[int, SortKey]) -> int:
    return entry[0]


def _key(entry: tuple[int, SortKey]) -> float:
    key = entry[1]
    return key.timestamp() if isinstance(key, datetime) else key
