"""Which messages of a folder come first: sorted by the server (RFC 5256), or by remembered keys."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass

from worker.mail.imap.limits import HIT, SORT_KEY
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.replies import Fetched, header_fields, read_numbers
from worker.mail.message.parse import parse_headers
from worker.mail.message.sort_keys import SortKeys, in_seconds
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
class EmailOrder:
    """The order of emails, and how many of them are wanted.

    `field`: None for the order in which they came into the folder. `limit`: None for all.
    """

    field: SortField | None
    direction: SortOrder
    limit: int | None


def first_of(mailbox: ImapMailbox, order: EmailOrder, uids: Collection[int] | None = None) -> list[int]:
    """Return the UIDs that come first of all in the selected folder, or of some.

    Messages without the key are last, equals are by UID, in both directions.
    """
    if order.field is None:
        found = sorted(set(uids or ()), reverse=order.direction is SortOrder.DESC)
    elif uids is not None and len(uids) <= _FEW_TO_SORT:
        fetched = mailbox.fetch(uids, _ITEM[order.field], SORT_KEY)
        found = SortKeys((each.uid, _key(each, order.field)) for each in fetched).first(order.direction)
    else:
        enough = order.limit if uids is None else None
        everything = _sort(mailbox, order.field, order.direction, enough)
        if everything is None:
            everything = _current_keys(mailbox, order.field).first(order.direction, enough)
        wanted = None if uids is None else set(uids)
        found = everything if wanted is None else [uid for uid in everything if uid in wanted]
    return found[: order.limit]


def _sort(
    mailbox: ImapMailbox, field: SortField, direction: SortOrder, enough: int | None
) -> list[int] | None:
    """Have the server sort the folder; None if it does not, or not the whole of it."""
    session = mailbox.session
    if "SORT" not in session.capabilities:
        return None
    is_by_sent_date = field is SortField.SENT_DATE
    reverse = "REVERSE " if direction is SortOrder.DESC else ""
    program = (f"({reverse}{_CRITERION[field]})", "US-ASCII", _DATED if is_by_sent_date else "ALL")
    reply = session.attempt_uid("SORT", *program, octets=HIT * session.most_hits)
    if not reply.is_whole:
        session.capabilities -= {"SORT"}  # it does not do what it announces
        return None
    uids = read_numbers(reply.data, session.most_hits).tolist()
    if is_by_sent_date and len(uids[:enough]) < min(enough or session.exists, session.exists):
        uids += sorted(set(mailbox.search("ALL")).difference(uids))
    return uids


def _current_keys(mailbox: ImapMailbox, field: SortField) -> SortKeys:
    """Return the keys of all messages of the folder, asking only for those of new ones."""
    session, item = mailbox.session, _ITEM[field]
    keys = mailbox.sort_keys.get((mailbox.place, field), SortKeys())
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
    if mailbox.folder.uid_validity:  # else its UIDs mean something only while the folder is selected
        mailbox.sort_keys[mailbox.place, field] = keys
    return keys


def _key(fetched: Fetched, field: SortField) -> int | None:
    if field is SortField.SIZE:
        return fetched.size
    is_received = field is SortField.RECEIVED_DATE
    date = fetched.received if is_received else parse_headers(fetched.section or b"").sent_date
    return in_seconds(date)
