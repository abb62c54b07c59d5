"""Listing, searching and reading messages. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from worker.errors import NotSupported, ResultTooLarge, ServerRefused
from worker.mail.imap.criteria import to_query
from worker.mail.imap.folders import SelectedFolder
from worker.mail.imap.ids import distinct_ids, is_same_id, read_own_id
from worker.mail.imap.limits import LIST_ROW
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.replies import Fetched, Reply, header_fields
from worker.mail.imap.sorting import ListOrder, sorted_uids
from worker.mail.message.ordering import sort_listed
from worker.mail.message.parse import ParsedEmail, ParsedHeaders, parse_email, parse_headers
from worker.models.email import FoundEmail, ListedEmail
from worker.models.search import Criterion

_LISTING, _SEARCHING, _READING = "list the messages", "search the folder", "read the message"
_ROW = f"RFC822.SIZE INTERNALDATE {header_fields('MESSAGE-ID', 'FROM', 'SUBJECT', 'DATE')}"
_HIT = header_fields("MESSAGE-ID", "SUBJECT")
_WHOLE = "INTERNALDATE BODY.PEEK[]"  # PEEK: the message stays unread
# Folders up to this size are fetched whole and sorted by the worker: one command less, and exact for all
# dates.
_SMALL_FOLDER, _MOST_AT_ONCE = 100, 1000
_SMALLEST_HIT_BYTES = len('{"messageId": "", "subject": ""}')


@dataclass(frozen=True, slots=True)
class ReceivedEmail:
    """A message, its octets, and when the server got it."""

    mail: ParsedEmail
    raw: bytes
    received: datetime | None


def list_messages(mailbox: ImapMailbox, path: str, order: ListOrder) -> list[ListedEmail]:
    """List the first messages of a folder in the given order."""
    folder = mailbox.folders.open(path)
    count = mailbox.session.exists
    if count <= max(min(order.limit, _MOST_AT_ONCE), _SMALL_FOLDER):
        fetched = mailbox.fetch_set("1:*", _ROW, _LISTING, LIST_ROW * count) if count else ()
        return sort_listed(_rows(folder, fetched).items(), order.field, order.direction, limit=order.limit)
    uids = sorted_uids(mailbox, folder, order)
    rows = _rows(folder, mailbox.fetch(uids, _ROW, _LISTING))
    return [rows[uid] for uid in uids if uid in rows]


def _rows(folder: SelectedFolder, fetched: Iterable[Fetched]) -> dict[int, ListedEmail]:
    """Return list rows by UID: a further column is an item of `_ROW` and a line here."""
    messages = {each.uid: (each, parse_headers(each.section or b"")) for each in fetched}
    ids = _ids(folder, {uid: headers for uid, (_, headers) in messages.items()})
    return {
        uid: ListedEmail(
            message_id=ids[uid],
            from_address=headers.from_address,
            subject=headers.subject,
            size=each.size or 0,
            received_date_time=each.received,
            sent_date=headers.sent_date,
        )
        for uid, (each, headers) in messages.items()
    }


def _ids(folder: SelectedFolder, headers: Mapping[int, ParsedHeaders]) -> dict[int, str]:
    return distinct_ids({uid: each.message_id for uid, each in headers.items()}, folder.uid_validity)


def search_messages(
    mailbox: ImapMailbox, path: str, criterion: Criterion | None, max_result_bytes: int
) -> list[FoundEmail]:
    """Find messages by criteria, in the order of their UIDs; raises ResultTooLarge for too many."""
    folder = mailbox.folders.open(path)
    query = to_query(criterion)
    reply = _search(mailbox, query)
    if not reply.is_ok and not reply.code and query != to_query(criterion, is_from_a_header=True):
        # GreenMail for one takes nothing but whole addresses after FROM.
        reply = _search(mailbox, to_query(criterion, is_from_a_header=True))
    uids = mailbox.session.hits(reply, _SEARCHING)
    remaining = max_result_bytes - _SMALLEST_HIT_BYTES * len(uids)
    headers: dict[int, ParsedHeaders] = {}
    for each in mailbox.fetch(uids if remaining >= 0 else (), _HIT, _SEARCHING):
        headers[each.uid] = header = parse_headers(each.section or b"")
        remaining -= len(header.message_id or "") + len(header.subject or "")
        if remaining < 0:
            break
    if remaining < 0:
        raise ResultTooLarge(
            f"The search finds {len(uids)} messages in {path}, which is more than Camunda accepts; narrow"
            " the criteria.",
            bytes=max_result_bytes + 1,
            limit=max_result_bytes,
        )
    ids = _ids(folder, headers)
    return [FoundEmail(message_id=ids[uid], subject=headers[uid].subject) for uid in sorted(headers)]


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
                return ReceivedEmail(mail, each.section, each.received)
    raise mailbox.not_found(folder.name, message_id)
