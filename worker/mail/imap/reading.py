"""Listing, searching and reading messages. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from worker.errors import NotSupported, ResultTooLarge, ServerRefused
from worker.mail.imap.criteria import Reading, to_query
from worker.mail.imap.folders import SelectedFolder
from worker.mail.imap.ids import OwnId, distinct_ids, is_same_id, read_own_id
from worker.mail.imap.limits import LIST_ROW, STRUCTURE
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.replies import Fetched, Reply, header_fields
from worker.mail.imap.sorting import ListOrder, first_of, sorted_uids
from worker.mail.message.ordering import sort_listed
from worker.mail.message.parse import ParsedEmail, ParsedHeaders, parse_email, parse_headers
from worker.models.email import FoundImapEmail, ListedImapEmail, SortField, SortOrder
from worker.models.search import Criterion, SearchField, conditions_of

_LISTING, _SEARCHING, _READING = "list the messages", "search the folder", "read the message"
_ROW = (
    f"BODYSTRUCTURE RFC822.SIZE INTERNALDATE FLAGS {header_fields('MESSAGE-ID', 'FROM', 'SUBJECT', 'DATE')}"
)
_HIT = f"BODYSTRUCTURE FLAGS {header_fields('MESSAGE-ID', 'SUBJECT')}"
_WHOLE = "INTERNALDATE BODY.PEEK[]"  # PEEK: the message stays unread
# Folders up to this size are fetched whole and sorted by the worker: one command less, and exact for all
# dates.
_SMALL_FOLDER, _MOST_AT_ONCE = 100, 1000
_SMALLEST_HIT_BYTES = len('{"messageId": "", "subject": "", "seen": true, "flagged": true}')


@dataclass(frozen=True, slots=True)
class ReceivedEmail:
    """A message, its octets, when the server got it, and the id that names it in its folder alone."""

    mail: ParsedEmail
    raw: bytes
    received: datetime | None
    own_id: str


@dataclass(frozen=True, slots=True)
class SearchOrder:
    """The order of what is found, and how much of it is wanted.

    `field`: None for the order in which messages came into the folder. `limit`: None for all.
    """

    field: SortField | None = None
    direction: SortOrder = SortOrder.ASC
    limit: int | None = None


def list_messages(
    mailbox: ImapMailbox, path: str, order: ListOrder, *, is_unread_only: bool = False
) -> list[ListedImapEmail]:
    """List the first messages of a folder, or of its unread ones, in the given order."""
    folder = mailbox.folders.open(path)
    if is_unread_only:
        uids = first_of(mailbox, folder, mailbox.search("UNSEEN", _LISTING), order)
        rows = _rows(folder, mailbox.fetch(uids, _ROW, _LISTING))
        return [rows[uid] for uid in uids if uid in rows]
    count = mailbox.session.exists
    if count <= max(min(order.limit, _MOST_AT_ONCE), _SMALL_FOLDER):
        fetched = mailbox.fetch_set("1:*", _ROW, _LISTING, LIST_ROW * count) if count else ()
        return sort_listed(_rows(folder, fetched).items(), order.field, order.direction, limit=order.limit)
    uids = sorted_uids(mailbox, folder, order)
    rows = _rows(folder, mailbox.fetch(uids, _ROW, _LISTING))
    return [rows[uid] for uid in uids if uid in rows]


def _rows(folder: SelectedFolder, fetched: Iterable[Fetched]) -> dict[int, ListedImapEmail]:
    """Return list rows by UID: a further column is an item of `_ROW` and a line here."""
    messages = {each.uid: (each, parse_headers(each.section or b"")) for each in fetched}
    ids = _ids(folder, {uid: headers for uid, (_, headers) in messages.items()})
    return {
        uid: ListedImapEmail(
            message_id=ids[uid],
            from_address=headers.from_address,
            subject=headers.subject,
            size=each.size or 0,
            received_date_time=each.received,
            sent_date=headers.sent_date,
            seen=each.has_flag(r"\Seen"),
            flagged=each.has_flag(r"\Flagged"),
            has_attachments=each.has_attachments,
        )
        for uid, (each, headers) in messages.items()
    }


def _ids(folder: SelectedFolder, headers: Mapping[int, ParsedHeaders]) -> dict[int, str]:
    return distinct_ids({uid: each.message_id for uid, each in headers.items()}, folder.uid_validity)


def search_messages(
    mailbox: ImapMailbox,
    path: str,
    criterion: Criterion | None,
    order: SearchOrder,
    max_result_bytes: int,
) -> list[FoundImapEmail]:
    """Find messages by criteria, in the order asked for; raises ResultTooLarge for too many."""
    folder = mailbox.folders.open(path)
    uids = _in_order(mailbox, folder, _found(mailbox, criterion), order)
    remaining = max_result_bytes - _SMALLEST_HIT_BYTES * len(uids)
    headers: dict[int, ParsedHeaders] = {}
    fetched: dict[int, Fetched] = {}
    for each in mailbox.fetch(uids if remaining >= 0 else (), _HIT, _SEARCHING):
        headers[each.uid] = header = parse_headers(each.section or b"")
        fetched[each.uid] = replace(each, section=None)
        remaining -= len(header.message_id or "") + len(header.subject or "")
        if remaining < 0:
            break
    if remaining < 0:
        raise ResultTooLarge(
            f"The search finds {len(uids)} messages in {path}, which is more than Camunda accepts; narrow"
            " the criteria or set maxToBeRead.",
            bytes=max_result_bytes + 1,
            limit=max_result_bytes,
        )
    ids = _ids(folder, headers)
    return [
        FoundImapEmail(
            message_id=ids[uid],
            subject=headers[uid].subject,
            seen=fetched[uid].has_flag(r"\Seen"),
            flagged=fetched[uid].has_flag(r"\Flagged"),
            has_attachments=fetched[uid].has_attachments,
        )
        for uid in uids
        if uid in fetched
    ]


def _in_order(
    mailbox: ImapMailbox, folder: SelectedFolder, uids: Collection[int], order: SearchOrder
) -> list[int]:
    limit = len(uids) if order.limit is None else order.limit
    if order.field is not None:
        return first_of(mailbox, folder, uids, ListOrder(order.field, order.direction, limit))
    return sorted(uids, reverse=order.direction is SortOrder.DESC)[:limit]


def _found(mailbox: ImapMailbox, criterion: Criterion | None) -> Collection[int]:
    """Search; whether a message has attachments, which no search key tells, is looked up if it decides."""
    if all(condition.field is not SearchField.ATTACHMENT for condition in conditions_of(criterion)):
        return _hits(mailbox, criterion, Reading())
    found_with = set(_hits(mailbox, criterion, Reading(has_attachments=True)))
    found_without = set(_hits(mailbox, criterion, Reading(has_attachments=False)))
    decisive = found_with ^ found_without
    fetched = mailbox.fetch(decisive, "BODYSTRUCTURE RFC822.SIZE", _SEARCHING, STRUCTURE)
    attached = {each.uid for each in fetched if each.has_attachments}
    return (found_with & found_without) | (found_with & attached) | (found_without - found_with - attached)


def _hits(mailbox: ImapMailbox, criterion: Criterion | None, reading: Reading) -> Collection[int]:
    query, by_header = (to_query(criterion, each) for each in (reading, replace(reading, has_headers=True)))
    reply = _search(mailbox, query)
    if not reply.is_ok and not reply.code and query != by_header:
        # GreenMail for one takes nothing but whole addresses after FROM.
        reply = _search(mailbox, by_header)
    return mailbox.session.hits(reply, _SEARCHING)


def _search(mailbox: ImapMailbox, query: str) -> Reply:
    """Search in UTF-8, or if the server has only others, in one of those that it names."""
    if query.isascii():
        return mailbox.attempt_search(query, _SEARCHING)
    charsets = ["UTF-8"]
    for charset in charsets:
        try:
            reply = mailbox.attempt_search(query, _SEARCHING, charset)
        except (LookupError, UnicodeEncodeError):
            continue  # the charset cannot say it
        if reply.code != "BADCHARSET":
            return reply
        named = reply.code_arguments.replace('"', " ").strip("() ").upper().split()
        charsets += [name for name in named if name not in charsets]
    server = mailbox.session.server
    raise NotSupported(
        f"{server} cannot search for texts beyond ASCII in a charset that has all their characters.",
        server=server,
        extension="CHARSET UTF-8",
    )


def read_message(mailbox: ImapMailbox, path: str, message_id: str) -> ReceivedEmail:
    """Read the message with this id, the newest of several; raises MessageNotFound."""
    folder = mailbox.folders.open(path)
    limit = mailbox.session.limits.max_message_bytes
    # What the server finds alone is compared only after it is read; only if it is wrong, all are compared.
    for find in (mailbox.candidates, mailbox.find):
        for each in mailbox.fetch(find(folder, message_id)[-1:], _WHOLE, _READING, limit):
            if each.section is None:
                raise ServerRefused(f"{mailbox.session.server} gives no content of the message.")
            mail = parse_email(each.section)
            if read_own_id(message_id) or is_same_id(message_id, mail.summary.message_id):
                own_id = str(OwnId(folder.uid_validity, each.uid))
                return ReceivedEmail(mail, each.section, each.received, own_id)
    raise mailbox.not_found(folder.name, message_id)
