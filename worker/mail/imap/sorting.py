"""Which messages of a folder come first: sorted by the server (RFC 5256), or by remembered keys."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass, replace

from worker.mail.imap.folders import SelectedFolder
from worker.mail.imap.limits import HIT, SORT_KEY
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.replies import Fetched, header_fields, read_numbers
from worker.mail.message.ordering import sort_numbers
from worker.mail.message.parse import parse_headers
from worker.mail.message.sort_keys import SortKeys
from worker.models.email import SortField, SortOrder

_CRITERION = {SortField.RECEIVED_DATE: "ARRIVAL", SortField.SENT_DATE: "DATE", SortField.SIZE: "SIZE"}
_ITEM = {
    SortField.RECEIVED_DATE: "INTERNALDATE",
    SortField.SENT_DATE: header_fields("DATE", octets=SORT_KEY // 2),
    SortField.SIZE: "RFC822.SIZE",
}
# A server sorts a message without a Date by its arrival; here such messages come last. An empty text is
# in every field that is there (RFC 9051, 6.4.4).
_DATED = 'HEADER "Date" ""'
# More keys are asked for in several commands.
_FEW = 5000
# Up to this many messages are sorted by the worker, in folders of any size.
_FEW_TO_SORT = 1000


@dataclass(frozen=True, slots=True)
class ListOrder:
    """The order of a list, and how much of it is wanted."""

    field: SortField
    direction: SortOrder
    limit: int


def sorted_uids(mailbox: ImapMailbox, folder: SelectedFolder, order: ListOrder) -> list[int]:
    """Return the UIDs that come first: messages without the key last, equals by UID, in both directions."""
    session = mailbox.session
    if session.can("SORT"):
        is_by_sent_date = order.field is SortField.SENT_DATE
        uids = _sort(mailbox, order, _DATED if is_by_sent_date else "ALL")
        if uids is not None:
            if is_by_sent_date and len(uids) < min(order.limit, session.exists):
                uids += sorted(set(mailbox.search("ALL")).difference(uids))
            return uids[: order.limit]
        session.capabilities -= {"SORT"}  # it does not do what it announces, or not for all messages
    return _current_keys(mailbox, folder, order.field).first(order.direction, order.limit)


def first_of(
    mailbox: ImapMailbox, folder: SelectedFolder, uids: Collection[int], order: ListOrder
) -> list[int]:
    """Return those of some messages of the folder that come first, as `sorted_uids` does of all."""
    if len(uids) > _FEW_TO_SORT:
        everything = replace(order, limit=mailbox.session.most_hits)
        wanted = set(uids)
        return [uid for uid in sorted_uids(mailbox, folder, everything) if uid in wanted][: order.limit]
    fetched = mailbox.fetch(uids, _ITEM[order.field], SORT_KEY)
    keys = ((each.uid, _key(each, order.field)) for each in fetched)
    return sort_numbers(keys, order.direction, limit=order.limit)


def _sort(mailbox: ImapMailbox, order: ListOrder, which: str) -> list[int] | None:
    """Return the UIDs that come first, sorted by the server; None if it does not sort the whole folder."""
    session = mailbox.session
    direction = "REVERSE " if order.direction is SortOrder.DESC else ""
    program = (f"({direction}{_CRITERION[order.field]})", "US-ASCII", which)
    reply = session.attempt_uid("SORT", *program, octets=HIT * session.most_hits)
    return read_numbers(reply.data, session.most_hits).tolist() if reply.is_whole else None


def _current_keys(mailbox: ImapMailbox, folder: SelectedFolder, field: SortField) -> SortKeys:
    """Return the keys of all messages of the folder, asking only for those of new ones."""
    session, item = mailbox.session, _ITEM[field]
    place = (session.account, folder.name, folder.uid_validity, field)
    keys = mailbox.sort_keys.get(place)
    if 0 <= session.exists - len(keys.uids) <= _FEW:
        next_uid = keys.uids[-1] + 1 if keys.uids else 1
        fetched = mailbox.fetch_set(f"{next_uid}:*", item, SORT_KEY * _FEW)
        # `*` is the last message, even if it is not new.
        new = ((each.uid, _key(each, field)) for each in fetched if each.uid >= next_uid)
        keys = SortKeys(itertools.chain(keys.items(), new))
    if len(keys.uids) != session.exists:
        present = set(mailbox.search("ALL"))
        session.exists = len(present)
        fetched = mailbox.fetch(present.difference(keys.uids), item, SORT_KEY)
        known = (pair for pair in keys.items() if pair[0] in present)
        keys = SortKeys(itertools.chain(known, ((each.uid, _key(each, field)) for each in fetched)))
    mailbox.sort_keys.keep(place, keys)
    return keys


def _key(fetched: Fetched, field: SortField) -> int | None:
    if field is SortField.SIZE:
        return fetched.size
    is_received = field is SortField.RECEIVED_DATE
    date = fetched.received if is_received else parse_headers(fetched.section or b"").sent_date
    return int(date.timestamp()) if date else None
