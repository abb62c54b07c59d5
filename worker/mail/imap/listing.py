"""The messages of a folder, listed and searched. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from worker.errors import ResultTooLarge
from worker.mail.imap.ids import distinct_ids
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.memory import FolderKey, KnownMessage
from worker.mail.imap.query import search
from worker.mail.imap.responses import Fetched, header_fields
from worker.mail.imap.session import ImapSession, SelectedFolder
from worker.mail.imap.sort import ListOrder, sorted_uids
from worker.mail.message.ordering import sort_listed
from worker.mail.message.parse import parse_headers
from worker.models.email import FoundEmail, ListedEmail
from worker.models.search import Criterion

# Up to here all of a folder is sorted here: a command less, and exact whatever the dates.
_SMALL_FOLDER = 100
_SMALLEST_HIT_BYTES = len('{"messageId": "", "subject": ""}')


@dataclass(frozen=True, slots=True)
class _View:
    """What an operation shows of messages, as FETCH items."""

    doing: str
    items: str


_LIST = _View(
    "list the messages",
    f"RFC822.SIZE INTERNALDATE {header_fields('MESSAGE-ID', 'FROM', 'SUBJECT', 'DATE')}",
)
_SEARCH = _View("search the folder", header_fields("MESSAGE-ID", "SUBJECT"))


def list_messages(mailbox: ImapMailbox, path: str, order: ListOrder) -> list[ListedEmail]:
    """List the first messages of a folder in the given order."""
    folder = mailbox.folders.open(path, is_current=False)
    if _is_small(mailbox.session, order):
        mails = _listed(folder, _all_messages(mailbox, folder))
        return sort_listed(mails.items(), order.field, order.direction, limit=order.limit)
    uids = mailbox.arranged(order, lambda: sorted_uids(mailbox, folder, order))
    mails = _listed(folder, _messages(mailbox, folder, uids, _LIST))
    return [mails[uid] for uid in uids if uid in mails]


def _is_small(session: ImapSession, order: ListOrder) -> bool:
    """Tell whether all of the folder is to be looked at, which must then be known as it is now."""
    most = max(order.limit, _SMALL_FOLDER)
    if session.exists <= most:
        session.ensure_current()
    return session.exists <= most


def search_messages(
    mailbox: ImapMailbox, path: str, criterion: Criterion | None, *, max_result_bytes: int
) -> list[FoundEmail]:
    """Find messages by criteria, in the order of their UIDs; raises ResultTooLarge for too many."""
    folder = mailbox.folders.open(path, is_current=False)
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
        _SEARCH,
        admit=lambda message: take(len(message.message_id or "") + len(message.subject or "")),
        is_saved=hits.is_saved,
    )
    ids = _ids(folder, found)
    return [FoundEmail(message_id=ids[uid], subject=found[uid].subject) for uid in hits.uids if uid in found]


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
        learner = _Learner(_LIST)
        session.fetch("1:*", _LIST.items, doing=_LIST.doing, keep=learner.learn)
        mailbox.memory.keep_messages(place, learner.messages)
        return learner.messages
    return _messages(mailbox, folder, mailbox.arranged("ALL", lambda: _all_uids(session)), _LIST)


def _all_uids(session: ImapSession) -> list[int]:
    return session.command(b"UID SEARCH ALL", doing=_LIST.doing, is_long=True).numbers("SEARCH")


def _messages(
    mailbox: ImapMailbox,
    folder: SelectedFolder,
    uids: Sequence[int],
    view: _View,
    *,
    admit: Callable[[KnownMessage], None] = lambda _message: None,
    is_saved: bool = False,
) -> Mapping[int, KnownMessage]:
    """Return what is shown of messages by UID, asking only for those of which that is not known yet.

    `admit` is told of each as it comes. `is_saved`: the server has the UIDs as its last search result.
    """
    place = FolderKey.of(mailbox.account, folder)
    remembered = mailbox.memory.messages(place, uids)
    known = {uid: message for uid, message in remembered.items() if view is _SEARCH or message.is_whole}
    for message in known.values():
        admit(message)
    learner = _Learner(view, admit)
    missing = [uid for uid in uids if uid not in known]
    mailbox.fetch_each(missing, view.items, learner.learn, doing=view.doing, is_saved=is_saved and not known)
    mailbox.memory.keep_messages(place, learner.messages)
    return known | learner.messages


class _Learner:
    """Makes of what is fetched what is shown, by UID."""

    def __init__(self, view: _View, admit: Callable[[KnownMessage], None] = lambda _message: None) -> None:
        self.messages: dict[int, KnownMessage] = {}
        self._is_whole = view is _LIST
        self._admit = admit

    def learn(self, fetched: Fetched) -> None:
        """Take a message as it comes."""
        headers = parse_headers(fetched.section or b"")
        message = KnownMessage(
            message_id=headers.message_id,
            subject=headers.subject,
            from_address=headers.from_address,
            sent_date=headers.sent_date,
            size=fetched.size or 0,
            received_date=fetched.received,
            is_whole=self._is_whole,
        )
        self._admit(message)
        self.messages[fetched.uid] = message


def _listed(folder: SelectedFolder, messages: Mapping[int, KnownMessage]) -> dict[int, ListedEmail]:
    ids = _ids(folder, messages)
    return {
        uid: ListedEmail(
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
