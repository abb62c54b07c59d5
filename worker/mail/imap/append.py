"""Putting a message into a folder, once. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Iterable

from worker.errors import FolderNotFound
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.removal import is_in_folder
from worker.mail.message.compose import ComposedMessage


def append_message(mailbox: ImapMailbox, path: str, message: ComposedMessage, flags: Iterable[str]) -> bool:
    """Put the message into a folder, which is created if it is missing; return whether it was not there yet.

    An attempt that broke off may have put it there: so its Message-ID is looked for first.
    """
    session, folders = mailbox.session, mailbox.folders
    session.purpose = "put the message into the folder"
    try:
        folders.open(path)
    except FolderNotFound:
        folders.create(folders.name_of(path))
        folders.open(path)
    if is_in_folder(mailbox, path, message.message_id):
        return False
    mailbox.refuse_read_only()
    arguments = (folders.encoded(mailbox.folder.name), f"({' '.join(flags)})", None, message.content)
    session.require(session.attempt("APPEND", session.client.append, *arguments))
    return True
