"""Listing, searching and reading messages. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from worker.errors import ResultTooLarge
from worker.mail.imap.criteria import to_query
from worker.mail.imap.errors import is_unexplained
from worker.mail.imap.folders import SelectedFolder
from worker.mail.imap.ids import distinct_ids, is_same_id, read_own_id
from worker.mail.imap.limits import LIST_ROW
from worker.mail.imap.local_search import search_here
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.replies import Fetched, header_fields
from worker.mail.imap.sorting import ListOrder, sorted_uids
from worker.mail.message.ordering import sort_listed
from worker.mail.message.parse import ParsedEmail, ParsedHeaders, parse_email, parse_headers
from worker.models.email import FoundEmail, ListedEmail
from worker.models.search import Criterion

_LISTING, _SEARCHING, _READING = "list the messages", "search the folder", "read the message"
_ROW = f"RFC822.SIZE INTERNALDATE {header_fields('MESSAGE-ID', 'FROM', 'SUBJECT', 'DATE')}"
_HIT = header_fields("MESSAGE-ID", "SUBJECT")
# Up to here all of a folder is fetched and sorted here: a command less, and exact whatever the dates.
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
    uids = _search(mailbox, criterion)
    remaining = max_result_bytes - _SMALLEST_HIT_BYTES * len(uids)
    headers: dict[int, ParsedHeaders] = {}
    for each in mailbox.fetch(uids if remaining >= 0 else (), _HIT, _SEARCHING):
        headers[each.uid] = header = parse_headers(each.section or b"")
        remaining -= len(header.message_id or "") + len(header.subject or "")
        if remaining < 0:
            break
    if remaining < 0:
        raise ResultTooLarge(
            f"The search finds {len(uids)} messages in {path}, which are more than the engine takes; narrow"
            " the criteria.",
            bytes=max_result_bytes + 1,
            limit=max_result_bytes,
        )
    ids = _ids(folder, headers)
    return [FoundEmail(message_id=ids[uid], subject=headers[uid].subject) for uid in sorted(headers)]


def _search(mailbox: ImapMailbox, criterion: Criterion | None) -> Collection[int]:
    """Search in UTF-8, or if the server has only others, in one of those that it names; else here."""
    query = to_query(criterion)
    charsets: list[str | None] = [None if query.isascii() else "UTF-8"]
    for charset in charsets:
        reply = mailbox.attempt_search(query, _SEARCHING, charset)
        if reply.code != "BADCHARSET":
            break
        named = reply.code_arguments.replace('"', " ").strip("() ").upper().split()
        charsets += [name for name in named if name not in charsets and _can_say(name, query)]
    if criterion is not None and is_unexplained(reply):
        return search_here(mailbox, criterion)
    return mailbox.hits(reply, query, _SEARCHING, charset)


def _can_say(charset: str, text: str) -> bool:
    try:
        text.encode(charset)
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def read_message(mailbox: ImapMailbox, path: str, message_id: str) -> ReceivedEmail:
    """Read the message with this id, the newest of several; raises MessageNotFound."""
    folder = mailbox.folders.open(path)
    # What the server finds alone is compared only after it is read; only if it is wrong, all are compared.
    for find in (mailbox.candidates, mailbox.find):
        for uid in find(folder, message_id)[-1:]:
            whole = mailbox.fetch_whole(uid, _READING)
            if whole is None or whole.section is None:
                continue
            mail = parse_email(whole.section)
            if read_own_id(message_id) or is_same_id(message_id, mail.summary.message_id):
                return ReceivedEmail(mail, whole.section, whole.received)
    raise mailbox.not_found(folder.name, message_id)
