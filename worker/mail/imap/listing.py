"""The messages of a folder, listed and searched. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Mapping

from worker.errors import ResultTooLarge
from worker.mail.imap.ids import distinct_ids
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.memory import FolderKey
from worker.mail.imap.query import search
from worker.mail.imap.responses import Fetched, header_fields
from worker.mail.imap.session import SelectedFolder
from worker.mail.imap.sort import ListOrder, sorted_uids
from worker.mail.message.ordering import sort_listed
from worker.mail.message.parse import ParsedHeaders, parse_headers
from worker.models.mail import FoundMail, ListedMail
from worker.models.search import Criterion

_DOING_LIST, _DOING_SEARCH = "list the messages", "search the folder"
_LISTED = f"RFC822.SIZE INTERNALDATE {header_fields('MESSAGE-ID', 'FROM', 'SUBJECT', 'DATE')}"
_FOUND = header_fields("MESSAGE-ID", "SUBJECT")
# Up to here all of a folder is fetched and sorted here: a command less, and exact whatever the dates.
_SMALL_FOLDER = 100
_SMALLEST_HIT_BYTES = len('{"messageId": "", "subject": ""}')


def list_messages(mailbox: ImapMailbox, path: str, order: ListOrder) -> list[ListedMail]:
    """List the first messages of a folder in the given order."""
    folder = mailbox.folders.open(path)
    if mailbox.session.exists <= max(order.limit, _SMALL_FOLDER):
        return _list_whole(mailbox, folder, order)
    uids = sorted_uids(mailbox, folder, order)
    fetched = {message.uid: message for message in mailbox.fetch(uids, _LISTED, doing=_DOING_LIST)}
    mails = _listed(mailbox, folder, fetched)
    return [mails[uid] for uid in uids if uid in mails]


def search_messages(
    mailbox: ImapMailbox, path: str, criterion: Criterion | None, *, max_result_bytes: int
) -> list[FoundMail]:
    """Find messages by criteria, in the order of their UIDs; raises ResultTooLarge for too many."""
    folder = mailbox.folders.open(path)
    hits = search(mailbox.session, criterion)
    found: dict[int, ParsedHeaders] = {}
    room = max_result_bytes - len(hits.uids) * _SMALLEST_HIT_BYTES
    if room < 0:
        raise _too_many(path, len(hits.uids), max_result_bytes)

    def keep(message: Fetched) -> None:
        nonlocal room
        headers = found[message.uid] = parse_headers(message.section or b"")
        room -= len(headers.message_id or "") + len(headers.subject or "")
        if room < 0:
            raise _too_many(path, len(hits.uids), max_result_bytes)

    mailbox.fetch_each(hits.uids, _FOUND, keep, doing=_DOING_SEARCH, is_saved=hits.is_saved)
    ids = _ids(mailbox, folder, found)
    return [FoundMail(message_id=ids[uid], subject=found[uid].subject) for uid in hits.uids if uid in found]


def _too_many(path: str, count: int, limit: int) -> ResultTooLarge:
    return ResultTooLarge(
        f"The search finds {count} messages in {path}, which are more than the engine takes; narrow the"
        " criteria.",
        bytes=limit + 1,
        limit=limit,
    )


def _list_whole(mailbox: ImapMailbox, folder: SelectedFolder, order: ListOrder) -> list[ListedMail]:
    if not mailbox.session.exists:
        return []
    fetched: list[Fetched] = []
    mailbox.session.fetch("1:*", _LISTED, doing=_DOING_LIST, keep=fetched.append)
    mails = _listed(mailbox, folder, {message.uid: message for message in fetched})
    return sort_listed(mails.items(), order.field, order.direction, limit=order.limit)


def _listed(
    mailbox: ImapMailbox, folder: SelectedFolder, fetched: Mapping[int, Fetched]
) -> dict[int, ListedMail]:
    headers = {uid: parse_headers(message.section or b"") for uid, message in fetched.items()}
    ids = _ids(mailbox, folder, headers)
    return {
        uid: ListedMail(
            message_id=ids[uid],
            from_address=headers[uid].from_address,
            subject=headers[uid].subject,
            size=message.size or 0,
            received_date_time=message.received,
            sent_date=headers[uid].sent_date,
        )
        for uid, message in fetched.items()
    }


def _ids(
    mailbox: ImapMailbox, folder: SelectedFolder, headers: Mapping[int, ParsedHeaders]
) -> dict[int, str]:
    message_ids = {uid: header.message_id for uid, header in headers.items()}
    mailbox.memory.keep_message_ids(FolderKey.of(mailbox.account, folder), message_ids.items())
    return distinct_ids(message_ids, folder.uid_validity)
