"""Deleting one message, and no other. It blocks: use it in a thread."""

from __future__ import annotations

from worker.errors import ServerRefused
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.responses import format_set
from worker.mail.imap.session import ImapSession, SelectedFolder

_DOING_DELETE = "delete the message"


def delete_message(mailbox: ImapMailbox, path: str, message_id: str) -> None:
    """Delete the message for good; messages that others have flagged as deleted stay."""
    folder = mailbox.folders.open(path, is_current=False)
    uid = mailbox.find_one(folder, message_id)
    refuse_read_only(mailbox.session, folder)
    remove(mailbox.session, uid)


def remove(session: ImapSession, uid: int) -> None:
    """Remove a message of the selected folder; what others have flagged as deleted stays."""
    session.may_change()
    if not session.can("UIDPLUS"):
        _remove_beside_others(session, uid)
        return
    replies = session.attempt_together(
        b"UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid, b"UID EXPUNGE %d" % uid, doing=_DOING_DELETE
    )
    for reply in replies:
        session.require(reply, _DOING_DELETE)


def _remove_beside_others(session: ImapSession, uid: int) -> None:
    """Without UIDPLUS, EXPUNGE takes all that is flagged: what others have flagged is unflagged meanwhile.

    A crash in between leaves those messages there, without their flag: nothing is lost.
    """
    session.command(b"UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid, doing=_DOING_DELETE)
    # As late as can be, since others may flag a message at any time.
    reply = session.command(b"UID SEARCH DELETED NOT UID %d" % uid, doing=_DOING_DELETE)
    others = format_set(reply.numbers("SEARCH"))
    session.may_change()
    if not others:
        session.command(b"EXPUNGE", doing=_DOING_DELETE)
        return
    session.command(f"UID STORE {others} -FLAGS.SILENT (\\Deleted)".encode(), doing=_DOING_DELETE)
    try:
        session.command(b"EXPUNGE", doing=_DOING_DELETE)
    finally:
        if session.is_usable:
            session.command(f"UID STORE {others} +FLAGS.SILENT (\\Deleted)".encode(), doing=_DOING_DELETE)


def refuse_read_only(session: ImapSession, folder: SelectedFolder) -> None:
    """Raise ServerRefused where nothing may be changed."""
    if folder.is_read_only:
        raise ServerRefused(
            f"{session.server} lets this account only read the folder {folder.name}.", server=session.server
        )
