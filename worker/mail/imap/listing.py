"""The messages of a folder, listed and searched. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from worker.errors import ResultTooLarge
from worker.mail.imap.ids import distinct_ids
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.memory import FolderKey, KnownMessage
from worker.mail.imap.query import search
from worker.mail.imap.responses import Fetched, header_fields
from worker.mail.imap.session import SelectedFolder
from worker.mail.imap.sort import ListOrder, sorted_uids
from worker.mail.message.ordering import sort_listed
from worker.mail.message.parse import parse_headers
from worker.models.mail import FoundMail, ListedMail
from worker.models.search import Criterion

_DOING_LIST, _DOING_SEARCH = "list the messages", "search the folder"
_SHOWN = f"RFC822.SIZE INTERNALDATE {header_fields('MESSAGE-ID', 'FROM', 'SUBJECT', 'DATE')}"
# Up to here all of a folder is sorted here: a command less, and exact whatever the dates.
_SMALL_FOLDER = 100
_SMALLEST_HIT_BYTES = len('{"messageId": "", "subject": ""}')


def list_messages(mailbox: ImapMailbox, path: str, order: ListOrder) -> list[ListedMail]:
    """List the first messages of a folder in the given order."""
    folder = mailbox.folders.open(path)
    if mailbox.session.exists <= max(order.limit, _SMALL_FOLDER):
        mails = _listed(folder, _all_messages(mailbox, folder))
        return sort_listed(mails.items(), order.field, order.direction, limit=order.limit)
    uids = sorted_uids(mailbox, folder, order)
    mails = _listed(folder, _messages(mailbox, folder, uids, doing=_DOING_LIST))
    return [mails[uid] for uid in uids if uid in mails]


def search_messages(
    mailbox: ImapMailbox, path: str, criterion: Criterion | None, *, max_result_bytes: int
) -> list[FoundMail]:
    """Find messages by criteria, in the order of their UIDs; raises ResultTooLarge for too many."""
    folder = mailbox.folders.open(path)
    hits = search(mailbox.session, criterion)
    room = max_result_bytes

    def take(size: int) -> None:
        nonlocal room
        room -= size
        if room < 0:
            raise _too_many(path, len(hits.uids), max_result_bytes)

    take(len(hits.uids) * _SMALLEST_HIT_BYTES)
    found = _messages(
        mailbox,
        folder,
        hits.uids,
        doing=_DOING_SEARCH,
        admit=lambda message: take(len(message.message_id or "") + len(message.subject or "")),
        is_saved=hits.is_saved,
    )
    ids = _ids(folder, found)
    return [FoundMail(message_id=ids[uid], subject=found[uid].subject) for uid in hits.uids if uid in found]


def _too_many(path: str, count: int, limit: int) -> ResultTooLarge:
    return ResultTooLarge(
        f"The search finds {count} messages in {path}, which are more than the engine takes; narrow the"
        " criteria.",
        bytes=limit + 1,
        limit=limit,
    )


def _all_messages(mailbox: ImapMailbox, folder: SelectedFolder) -> Mapping[int, KnownMessage]:
    session = mailbox.session
    if not session.exists:
        return {}
    place = FolderKey.of(mailbox.account, folder)
    if not mailbox.memory.knows_messages(place):
        return _fetch(mailbox, place, lambda keep: session.fetch("1:*", _SHOWN, doing=_DOING_LIST, keep=keep))
    uids = session.command(b"UID SEARCH ALL", doing=_DOING_LIST, is_long=True).numbers("SEARCH")
    return _messages(mailbox, folder, uids, doing=_DOING_LIST)


def _messages(
    mailbox: ImapMailbox,
    folder: SelectedFolder,
    uids: Sequence[int],
    *,
    doing: str,
    admit: Callable[[KnownMessage], None] = lambda _message: None,
    is_saved: bool = False,
) -> Mapping[int, KnownMessage]:
    """Return what is shown of messages by UID, asking only for those that are not known yet.

    `admit` is told of each as it comes. `is_saved`: the server has the UIDs as its last search result.
    """
    place = FolderKey.of(mailbox.account, folder)
    known = mailbox.memory.messages(place, uids)
    for message in known.values():
        admit(message)
    missing = [uid for uid in uids if uid not in known]

    def fetch(keep: Callable[[Fetched], None]) -> None:
        mailbox.fetch_each(missing, _SHOWN, keep, doing=doing, is_saved=is_saved and not known)

    return known | _fetch(mailbox, place, fetch, admit)


def _fetch(
    mailbox: ImapMailbox,
    place: FolderKey,
    fetch: Callable[[Callable[[Fetched], None]], None],
    admit: Callable[[KnownMessage], None] = lambda _message: None,
) -> dict[int, KnownMessage]:
    fetched: dict[int, KnownMessage] = {}

    def keep(message: Fetched) -> None:
        known = fetched[message.uid] = _known(message)
        admit(known)

    fetch(keep)
    mailbox.memory.keep_messages(place, fetched)
    return fetched


def _known(message: Fetched) -> KnownMessage:
    headers = parse_headers(message.section or b"")
    return KnownMessage(
        message_id=headers.message_id,
        from_address=headers.from_address,
        subject=headers.subject,
        size=message.size or 0,
        received_date=message.received,
        sent_date=headers.sent_date,
    )


def _listed(folder: SelectedFolder, messages: Mapping[int, KnownMessage]) -> dict[int, ListedMail]:
    ids = _ids(folder, messages)
    return {
        uid: ListedMail(
            message_id=ids[uid],
            from_address=message.from_address,
            subject=message.subject,
            size=message.size,
            received_date_time=message.received_date,
            sent_date=message.sent_date,
        )
        for uid, message in messages.items()
    }


def _ids(folder: SelectedFolder, messages: Mapping[int, KnownMessage]) -> dict[int, str]:
    message_ids = {uid: message.message_id for uid, message in messages.items()}
    return distinct_ids(message_ids, folder.uid_validity)
