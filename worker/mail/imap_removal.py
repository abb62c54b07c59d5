"""Deleting and moving one message, and no other. It blocks: use it in a thread.

A connection may break after any command. Then the message is in at least one folder (unless it is to be
deleted), and a second attempt goes on from there.
"""

from __future__ import annotations

from worker.errors import FolderNotFound, MessageNotFound, ServerRefused
from worker.mail.imap_client import quote_name
from worker.mail.imap_errors import may_mean_missing_folder, refusal
from worker.mail.imap_ids import search_texts
from worker.mail.imap_mailbox import ImapMailbox
from worker.mail.imap_memory import FolderKey
from worker.mail.imap_responses import Fetched, Reply, format_set, read_copy_uid
from worker.mail.imap_search import Part, astring, command_chunks
from worker.mail.imap_session import ImapSession, SelectedFolder
from worker.mail.parse import parse_headers

_DOING_DELETE, _DOING_MOVE = "delete the message", "move the message"
_WHAT_A_COPY_SHARES = "RFC822.SIZE BODY.PEEK[HEADER]"


def delete_message(mailbox: ImapMailbox, path: str, message_id: str) -> None:
    """Delete the message for good; messages that others have flagged as deleted stay."""
    folder = mailbox.folders.open(path, is_current=False)
    uid = mailbox.find_one(folder, message_id)
    _refuse_read_only(mailbox.session, folder)
    _remove(mailbox.session, uid)


def move_message(mailbox: ImapMailbox, path: str, target_path: str, message_id: str) -> bool:
    """Move the message, creating what is missing of the target; return whether anything was to be done."""
    folder = mailbox.folders.open(path, is_current=False)
    uid = mailbox.find_one(folder, message_id)
    target = mailbox.folders.name_of(target_path)
    if target == folder.name:
        return False
    _refuse_read_only(mailbox.session, folder)
    if not mailbox.folders.exists(target):
        mailbox.folders.create(target)
    if mailbox.session.can("MOVE"):
        _move(mailbox, folder, uid, target, message_id)
    else:
        _copy_and_remove(mailbox, folder, uid, target)
    return True


def is_in_folder(mailbox: ImapMailbox, path: str, message_id: str) -> bool:
    """Tell whether a message with this id is in the folder, as an earlier attempt may have left it."""
    try:
        return bool(mailbox.find(mailbox.folders.open(path), message_id))
    except (FolderNotFound, MessageNotFound):
        return False


def _move(mailbox: ImapMailbox, folder: SelectedFolder, uid: int, target: str, message_id: str) -> None:
    reply = _to_target(mailbox, "MOVE", uid, target)
    # Gone since it was found: a server then says OK and nothing else (RFC 6851, 4.3; RFC 4315, 3).
    evidence = "COPYUID" if mailbox.session.can("UIDPLUS") else "EXPUNGE"
    if evidence not in reply.data:
        raise mailbox.not_found(folder.name, message_id)
    _remember_arrival(mailbox, folder, uid, target, reply)


def _copy_and_remove(mailbox: ImapMailbox, folder: SelectedFolder, uid: int, target: str) -> None:
    """Copy, then remove: a crash leaves the message in both; then the copy is not made a second time."""
    if not _has_copy(mailbox, folder, uid, target):
        _to_target(mailbox, "COPY", uid, target)
    _remove(mailbox.session, uid)


def _to_target(mailbox: ImapMailbox, verb: str, uid: int, target: str) -> Reply:
    """MOVE or COPY; a target that somebody has deleted meanwhile is created again."""
    session = mailbox.session
    command = f"UID {verb} {uid} ".encode() + quote_name(target)
    reply = session.attempt(command, doing=_DOING_MOVE, is_long=True)
    if may_mean_missing_folder(reply):
        mailbox.folders.learn()
        if not mailbox.folders.exists(target):
            mailbox.folders.create(target)
            reply = session.attempt(command, doing=_DOING_MOVE, is_long=True)
    if not reply.is_ok:
        raise refusal(session.server, reply, _DOING_MOVE)
    return reply


def _remember_arrival(
    mailbox: ImapMailbox, folder: SelectedFolder, uid: int, target: str, reply: Reply
) -> None:
    """The next operation on the message need not compare its id: COPYUID says which one it is now."""
    arrival = read_copy_uid(reply.data.get("COPYUID", ()))
    known = mailbox.memory.message_ids(FolderKey.of(mailbox.account, folder), [uid])
    if arrival is not None and uid in known:
        place = FolderKey(mailbox.account, target, arrival.uid_validity)
        mailbox.memory.keep_message_ids(place, [(arrival.uid, known[uid])])


def _has_copy(mailbox: ImapMailbox, folder: SelectedFolder, uid: int, target: str) -> bool:
    """Look in the target for a message with the same header and size, and come back to the source."""
    originals = mailbox.fetch([uid], _WHAT_A_COPY_SHARES, doing=_DOING_MOVE)
    if not originals:
        return False
    original = originals[0]
    try:
        mailbox.folders.open(target)
        copies = mailbox.fetch(_like(mailbox.session, original), _WHAT_A_COPY_SHARES, doing=_DOING_MOVE)
    except FolderNotFound:
        copies = []
    mailbox.folders.open(folder.name)
    return any(copy.size == original.size and copy.section == original.section for copy in copies)


def _like(session: ImapSession, original: Fetched) -> list[int]:
    """Find messages of the same id, or of the same size where there is none to search for."""
    message_id = parse_headers(original.section or b"").message_id
    texts = search_texts(message_id) if message_id else ()
    size = original.size or 0
    key: Part = b"SMALLER %d LARGER %d" % (size + 1, max(size - 1, 0))
    parts = [b"HEADER Message-ID", astring(texts[0])] if texts else [key]
    chunks = command_chunks([b"UID SEARCH", *parts])
    return session.command(*chunks, doing=_DOING_MOVE, is_long=True).numbers("SEARCH")


def _remove(session: ImapSession, uid: int) -> None:
    if not session.can("UIDPLUS"):
        _remove_beside_others(session, uid)
        return
    session.command(b"UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid, doing=_DOING_DELETE)
    session.command(b"UID EXPUNGE %d" % uid, doing=_DOING_DELETE)


def _remove_beside_others(session: ImapSession, uid: int) -> None:
    """Without UIDPLUS, EXPUNGE takes all that is flagged: what others have flagged is unflagged meanwhile.

    A crash in between leaves those messages there, without their flag: nothing is lost.
    """
    session.command(b"UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid, doing=_DOING_DELETE)
    # As late as can be, since others may flag a message at any time.
    reply = session.command(b"UID SEARCH DELETED NOT UID %d" % uid, doing=_DOING_DELETE)
    others = format_set(reply.numbers("SEARCH"))
    if not others:
        session.command(b"EXPUNGE", doing=_DOING_DELETE)
        return
    session.command(f"UID STORE {others} -FLAGS.SILENT (\\Deleted)".encode(), doing=_DOING_DELETE)
    try:
        session.command(b"EXPUNGE", doing=_DOING_DELETE)
    finally:
        if session.is_usable:
            session.command(f"UID STORE {others} +FLAGS.SILENT (\\Deleted)".encode(), doing=_DOING_DELETE)


def _refuse_read_only(session: ImapSession, folder: SelectedFolder) -> None:
    if folder.is_read_only:
        raise ServerRefused(
            f"{session.server} lets this account only read the folder {folder.name}.", server=session.server
        )
