"""Listing and reading messages. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from worker.mail.imap.ids import OwnId, distinct_ids, is_same_id, read_own_id
from worker.mail.imap.limits import LIST_ROW, MOST_KEPT
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.replies import Fetched, header_fields
from worker.mail.imap.sorting import EmailOrder, first_of
from worker.mail.kept_headers import bounded
from worker.mail.message.parse import ParsedHeaders, parse_email, parse_headers
from worker.mail.message.sort_keys import sort_listed
from worker.models.email import ListedImapEmail, ReadEmail

_HEADER = header_fields("MESSAGE-ID", "FROM", "SUBJECT", "DATE", "CONTENT-TYPE")
_ROW = f"BODYSTRUCTURE RFC822.SIZE INTERNALDATE FLAGS {_HEADER}"
# Folders up to this size are fetched whole and sorted by the worker: one command less, and exact for all
# dates.
_SMALL_FOLDER, _MOST_AT_ONCE = 100, 1000
# A row's own objects in addition to its texts.
_ROW_BYTES = 1000


@dataclass(frozen=True, slots=True)
class ReceivedEmail:
    """An email as it is read, its octets, and the id that names it in its folder alone."""

    email: ReadEmail
    raw: bytes
    own_id: str


def list_messages(
    mailbox: ImapMailbox, path: str, order: EmailOrder, *, is_unread_only: bool = False
) -> list[ListedImapEmail]:
    """List the first messages of a folder, or of its unread ones, in the given order."""
    mailbox.session.purpose = "list the messages"
    mailbox.folders.open(path)
    count = mailbox.session.exists
    if is_unread_only:
        uids = first_of(mailbox, order, mailbox.search("UNSEEN"))
    elif order.field and count <= max(min(order.limit or count, _MOST_AT_ONCE), _SMALL_FOLDER):
        fetched = mailbox.fetch_set("1:*", _ROW, LIST_ROW * count) if count else ()
        return sort_listed(_rows(mailbox, fetched), order.field, order.direction, limit=order.limit)
    else:
        uids = first_of(mailbox, order)
    return fetch_rows(mailbox, uids, _ROW)


def fetch_rows(mailbox: ImapMailbox, uids: Iterable[int], items: str) -> list[ListedImapEmail]:
    """Fetch the rows of messages, in their order, without those that are gone.

    What `items` lacks is empty. Raises ResultTooLarge for more than should be kept in memory.
    """
    rows = _rows(mailbox, mailbox.fetch(uids, items))
    return [rows[uid] for uid in uids if uid in rows]


def _rows(mailbox: ImapMailbox, fetched: Iterable[Fetched]) -> dict[int, ListedImapEmail]:
    """Return list rows by UID: a further column is an item of `_ROW` and a line here."""
    messages: dict[int, tuple[Fetched, ParsedHeaders]] = {}
    for each in bounded(fetched, lambda each: _ROW_BYTES + len(each.section or b""), MOST_KEPT):
        messages[each.uid] = replace(each, section=None), parse_headers(each.section or b"")
    message_ids = {uid: headers.message_id for uid, (_, headers) in messages.items()}
    ids = distinct_ids(message_ids, mailbox.folder.uid_validity)
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


def read_message(mailbox: ImapMailbox, path: str, message_id: str) -> ReceivedEmail:
    """Read the message with this id, the newest of several; raises MessageNotFound."""
    mailbox.session.purpose = "read the message"
    mailbox.folders.open(path)
    is_own = read_own_id(message_id) is not None
    # What the server finds alone is compared only after it is read; only if it is wrong, all are compared.
    for find in (mailbox.candidates, mailbox.find):
        for uid in (find(message_id) or [])[-1:]:
            whole = mailbox.fetch_whole(uid)
            if whole is None or whole.section is None:
                continue
            email = parse_email(whole.section)
            if is_own or is_same_id(message_id, email.message_id):
                told: dict[str, Any] = {"received_date_time": whole.received}
                if is_own:
                    told["message_id"] = message_id
                own_id = str(OwnId(mailbox.folder.uid_validity, uid))
                return ReceivedEmail(email.model_copy(update=told), whole.section, own_id)
    raise mailbox.not_found(mailbox.folder.name, message_id)
