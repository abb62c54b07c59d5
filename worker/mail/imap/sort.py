"""Which messages of a folder come first: sorted by the server (RFC 5256, 5267), or by remembered keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.memory import FolderKey, SortKeys
from worker.mail.imap.responses import Fetched, PartialResult, header_fields, read_partial
from worker.mail.imap.session import ImapSession, SelectedFolder
from worker.mail.message.parse_dates import read_date
from worker.mail.message.parse_fields import first_value, read_fields
from worker.models.email import SortField, SortOrder

_DOING = "sort the folder"
_SORT_KEY = {SortField.RECEIVED_DATE: "ARRIVAL", SortField.SENT_DATE: "DATE", SortField.SIZE: "SIZE"}
_FETCH_ITEM = {
    SortField.RECEIVED_DATE: "INTERNALDATE",
    SortField.SENT_DATE: header_fields("DATE"),
    SortField.SIZE: "RFC822.SIZE",
}
# A server sorts a message without a Date by its arrival; here such messages come last. An empty text is
# in every field that is there (RFC 9051, 6.4.4).
_DATED = 'HEADER Date ""'
# What says that part of a sorted result may be asked for. Dovecot announces it by the second.
_PARTIAL = frozenset({"CONTEXT=SORT", "CONTEXT=SEARCH", "PARTIAL"})


@dataclass(frozen=True, slots=True)
class ListOrder:
    """The order of a list, and how much of it is wanted."""

    field: SortField
    direction: SortOrder
    limit: int


def sorted_uids(mailbox: ImapMailbox, folder: SelectedFolder, order: ListOrder) -> list[int]:
    """Return the UIDs that come first: messages without the key last, equals by UID, in both directions."""
    if not mailbox.session.can("SORT"):
        return _sort_keys(mailbox, folder, order.field).first(order.direction, order.limit)
    if order.field is SortField.SENT_DATE:
        return _sorted_by_sent_date(mailbox.session, order)
    return _sort(mailbox.session, order, "ALL").uids


def _sorted_by_sent_date(session: ImapSession, order: ListOrder) -> list[int]:
    dated = _sort(session, order, _DATED)
    if dated.count >= order.limit or dated.count >= session.exists:
        return dated.uids
    reply = session.command(f"UID SEARCH NOT {_DATED}".encode(), doing=_DOING, is_long=True)
    return [*dated.uids, *sorted(reply.numbers("SEARCH"))][: order.limit]


def _sort(session: ImapSession, order: ListOrder, which: str) -> PartialResult:
    direction = "REVERSE " if order.direction is SortOrder.DESC else ""
    program = f"({direction}{_SORT_KEY[order.field]}) US-ASCII {which}"
    if session.can("ESORT") and session.capabilities & _PARTIAL:
        command = f"UID SORT RETURN (COUNT PARTIAL 1:{order.limit}) {program}"
        reply = session.attempt_current(command.encode(), doing=_DOING, is_long=True)
        partial = read_partial(reply.data.get("ESEARCH", ())) if reply.is_ok else None
        if partial is not None:
            return partial
        # It does not do what it announces: not tried again in this session.
        session.capabilities -= {"ESORT"}
    reply = session.attempt_current(f"UID SORT {program}".encode(), doing=_DOING, is_long=True)
    uids = session.require(reply, _DOING).numbers("SORT")
    return PartialResult(uids[: order.limit], len(uids))


def _sort_keys(mailbox: ImapMailbox, folder: SelectedFolder, field: SortField) -> SortKeys:
    """Return the keys of all messages of the folder, asking only for those of new ones."""
    session = mailbox.session
    session.ensure_current()
    place = FolderKey.of(mailbox.account, folder)
    known = mailbox.memory.sort_keys(place, field)
    added = SortKeys()

    def keep(message: Fetched) -> None:
        # `*` is the last message, also where it is not new.
        if message.uid > known.last_uid:
            key = _KEY_OF[field](message)
            added.uids.append(message.uid)
            added.keys.append(SortKeys.MISSING if key is None else key)

    session.fetch(f"{known.last_uid + 1}:*", _FETCH_ITEM[field], doing=_DOING, keep=keep)
    keys = known.extended(added)
    if len(keys) != session.exists:
        reply = session.command(b"UID SEARCH ALL", doing=_DOING, is_long=True)
        keys = keys.only(set(reply.numbers("SEARCH")))
    mailbox.memory.keep_sort_keys(place, field, keys)
    return keys


def _received(message: Fetched) -> int | None:
    return None if message.received is None else int(message.received.timestamp())


def _sent(message: Fetched) -> int | None:
    value = first_value(read_fields(message.section or b"").fields, b"date")
    date = read_date(value) if value else None
    return None if date is None else int(date.timestamp())


def _size(message: Fetched) -> int | None:
    return message.size


_KEY_OF: dict[SortField, Callable[[Fetched], int | None]] = {
    SortField.RECEIVED_DATE: _received,
    SortField.SENT_DATE: _sent,
    SortField.SIZE: _size,
}
