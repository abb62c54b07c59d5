"""The messages of a folder, listed and searched. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.errors import NotSupported, ResultTooLarge
from worker.mail.imap_errors import refusal
from worker.mail.imap_ids import distinct_ids
from worker.mail.imap_mailbox import ImapMailbox
from worker.mail.imap_memory import FolderKey
from worker.mail.imap_responses import Fetched
from worker.mail.imap_search import Part, command_chunks, is_ascii, search_keys
from worker.mail.imap_session import ImapSession, SelectedFolder
from worker.mail.imap_sort import ListOrder, sorted_uids
from worker.mail.ordering import sort_listed
from worker.mail.parse import ParsedHeaders, parse_headers
from worker.models.mail import FoundMail, ListedMail, SortField
from worker.models.search import Criterion

_DOING_LIST, _DOING_SEARCH = "list the messages", "search the folder"
_LISTED = "RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID FROM SUBJECT DATE)]"
_FOUND = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID SUBJECT)]"
# Up to here all of a folder is fetched and sorted here: a command less, and exact whatever the dates.
_SMALL_FOLDER = 100
_SMALLEST_HIT_BYTES = len('{"messageId": "", "subject": ""}')


def list_messages(mailbox: ImapMailbox, path: str, order: ListOrder) -> list[ListedMail]:
    """List the first messages of a folder in the given order."""
    before = mailbox.session.selected
    folder = mailbox.folders.open(path)
    small = max(order.limit, _SMALL_FOLDER)
    # The count of a folder that was selected before may be old.
    if folder is not before and mailbox.session.exists <= small:
        return _list_whole(mailbox, folder, order)
    uids = sorted_uids(mailbox, folder, order)
    if order.field is SortField.SENT_DATE and mailbox.session.exists <= small:
        return _list_whole(mailbox, folder, order)
    fetched = {message.uid: message for message in mailbox.fetch(uids, _LISTED, doing=_DOING_LIST)}
    mails = _listed(mailbox, folder, fetched)
    return [mails[uid] for uid in uids if uid in mails]


def search_messages(
    mailbox: ImapMailbox, path: str, criterion: Criterion | None, *, max_result_bytes: int
) -> list[FoundMail]:
    """Find messages by criteria, in the order of their UIDs; raises ResultTooLarge for too many."""
    folder = mailbox.folders.open(path)
    uids = sorted(_search(mailbox.session, criterion))
    if len(uids) * _SMALLEST_HIT_BYTES > max_result_bytes:
        raise ResultTooLarge(
            f"The search finds {len(uids)} messages in {path}, which are more than the engine takes;"
            " narrow the criteria.",
            bytes=len(uids) * _SMALLEST_HIT_BYTES,
            limit=max_result_bytes,
        )
    headers = {
        message.uid: parse_headers(message.section or b"")
        for message in mailbox.fetch(uids, _FOUND, doing=_DOING_SEARCH)
    }
    ids = _ids(mailbox, folder, headers)
    return [FoundMail(message_id=ids[uid], subject=headers[uid].subject) for uid in uids if uid in headers]


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


def _search(session: ImapSession, criterion: Criterion | None) -> list[int]:
    """Search in UTF-8, or where the server has only others, in one of those that it names."""
    if is_ascii(criterion):
        chunks = command_chunks([b"UID SEARCH", *search_keys(criterion)])
        return session.command(*chunks, doing=_DOING_SEARCH, is_long=True).numbers("SEARCH")
    charsets, tried = ["UTF-8"], set[str]()
    while charsets:
        charset = charsets.pop(0)
        tried.add(charset)
        keys = _encoded(criterion, charset)
        if keys is None:
            continue
        chunks = command_chunks([b"UID SEARCH CHARSET", charset.encode(), *keys])
        reply = session.attempt(*chunks, doing=_DOING_SEARCH, is_long=True)
        if reply.is_ok:
            return reply.numbers("SEARCH")
        if reply.code != "BADCHARSET":
            raise refusal(session.server, reply, _DOING_SEARCH)
        named = reply.code_arguments.replace('"', " ").strip("() ").upper().split()
        charsets.extend(name for name in named if name not in tried and name not in charsets)
    raise NotSupported(
        f"{session.server} cannot search for texts beyond ASCII in a charset that has all their characters.",
        server=session.server,
        extension="CHARSET UTF-8",
    )


def _encoded(criterion: Criterion | None, charset: str) -> Sequence[Part] | None:
    try:
        return search_keys(criterion, charset)
    except (LookupError, UnicodeEncodeError):
        return None
