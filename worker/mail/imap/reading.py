"""Reading one message whole. It blocks: use it in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from worker.mail.imap.ids import is_same_id, read_own_id
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.memory import FolderKey
from worker.mail.imap.session import SelectedFolder
from worker.mail.message.parse import ParsedEmail, parse_email

_DOING = "read the message"
# PEEK: the message stays unread.
_WHOLE = "INTERNALDATE BODY.PEEK[]"


@dataclass(frozen=True, slots=True)
class ReceivedEmail:
    """A message, its octets, and when the server got it."""

    mail: ParsedEmail
    raw: bytes
    received: datetime | None


def read_message(mailbox: ImapMailbox, path: str, message_id: str) -> ReceivedEmail:
    """Read the message with this id, the newest of several; raises MessageNotFound."""
    folder = mailbox.folders.open(path, is_current=False)
    message = _read(mailbox, folder, mailbox.find_current(folder, message_id)[-1])
    if message is None or not _has_id(message, message_id):
        # The server has found something similar: now all hits are compared before one is read.
        message = _read(mailbox, folder, mailbox.find(folder, message_id)[-1])
    if message is None:
        raise mailbox.not_found(folder.name, message_id)
    return message


def _read(mailbox: ImapMailbox, folder: SelectedFolder, uid: int) -> ReceivedEmail | None:
    for message in mailbox.fetch([uid], _WHOLE, doing=_DOING):
        raw = message.section or b""
        mail = parse_email(raw)
        place = FolderKey.of(mailbox.account, folder)
        mailbox.memory.keep_message_ids(place, [(uid, mail.summary.message_id)])
        return ReceivedEmail(mail, raw, message.received)
    return None


def _has_id(message: ReceivedEmail, message_id: str) -> bool:
    return read_own_id(message_id) is not None or is_same_id(message_id, message.mail.summary.message_id)
