"""Deleting and moving one message, and no other. It blocks: use it in a thread.

The connection may break after any command, and another worker may move the same message at the same
time: the message is always in at least one folder, and ends in one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from imap_tools import AND, H

from worker.errors import FolderNotFound, MessageNotFound, ServerRefused
from worker.mail.imap.errors import may_mean_missing_folder, refusal
from worker.mail.imap.folders import SelectedFolder
from worker.mail.imap.ids import search_texts
from worker.mail.imap.limits import WHOLE_HEADER
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.replies import Fetched, UidMark, format_set, read_copy_uid
from worker.mail.message.parse import parse_headers

_DELETING, _MOVING = "delete the message", "move the message"
_FLAG = r"(\Deleted)"
_WHAT_A_COPY_SHARES = "RFC822.SIZE BODY.PEEK[HEADER]"
# The server has noticed that the message is gone (RFC 5530).
_GONE = "EXPUNGEISSUED"


class _GoneError(Exception):
    """The message is no longer where it was."""


def delete_message(mailbox: ImapMailbox, path: str, message_id: str) -> None:
    """Delete the message permanently; messages that others have flagged as deleted stay."""
    folder = mailbox.folders.open(path, is_current=False)
    uid = mailbox.find_one(folder, message_id)
    refuse_read_only(mailbox, folder)
    _remove(mailbox, uid)


def move_message(mailbox: ImapMailbox, path: str, target_path: str, message_id: str) -> bool:
    """Move the message, creating what is missing of the target; return whether anything was to be done."""
    folders = mailbox.folders
    folder = folders.open(path, is_current=False)
    target = folders.name_of(target_path)
    if target != folder.name and folders.exists(target):
        folders.next_uid(target)  # before another worker may bring the same message there
    uid = mailbox.find_one(folder, message_id)
    if target == folder.name:
        return False
    refuse_read_only(mailbox, folder)
    if not folders.exists(target):
        folders.create(target)
    free = folders.next_uid(target)
    transfer = _move if mailbox.session.can("MOVE") else _copy_and_remove
    try:
        arrival = transfer(mailbox, folder, uid, target)
        if arrival is not None:
            folders.note_arrival(target, arrival)
            _yield_to_the_first(mailbox, target, free, arrival)
    except _GoneError:
        raise mailbox.not_found(folder.name, message_id) from None
    return True


def is_in_folder(mailbox: ImapMailbox, path: str, message_id: str) -> bool:
    """Tell whether a message with this id is in the folder, as an earlier attempt may have left it."""
    try:
        return bool(mailbox.find(mailbox.folders.open(path), message_id))
    except (FolderNotFound, MessageNotFound):
        return False


def refuse_read_only(mailbox: ImapMailbox, folder: SelectedFolder) -> None:
    """Raise ServerRefused if the account may only read the folder."""
    if folder.is_read_only:
        server = mailbox.session.server
        raise ServerRefused(f"{server} lets this account only read the folder {folder.name}.", server=server)


def _remove(mailbox: ImapMailbox, uid: int) -> None:
    """Remove a message of the selected folder by UID EXPUNGE, which takes this one alone.

    EXPUNGE takes all that is flagged: without UIDPLUS, what others have flagged is unflagged meanwhile. A
    crash in between leaves those messages there, without their flag: nothing is lost.
    """
    session = mailbox.session
    session.may_change()
    session.uid(_DELETING, "STORE", str(uid), "+FLAGS.SILENT", _FLAG)
    if session.can("UIDPLUS"):
        session.may_change()
        session.uid(_DELETING, "EXPUNGE", str(uid))
        return
    # As late as can be, since others may flag a message at any time.
    others = format_set(mailbox.search(f"DELETED NOT UID {uid}", _DELETING))
    session.may_change()
    if others:
        session.uid(_DELETING, "STORE", others, "-FLAGS.SILENT", _FLAG)
    try:
        session.require(session.attempt("EXPUNGE", _DELETING, session.client.expunge), _DELETING)
    finally:
        if others and session.is_usable:
            session.uid(_DELETING, "STORE", others, "+FLAGS.SILENT", _FLAG)


def _move(mailbox: ImapMailbox, _folder: SelectedFolder, uid: int, target: str) -> UidMark | None:
    _to_target(mailbox, "MOVE", uid, target)
    arrival = read_copy_uid(mailbox.session.told("COPYUID"))
    # Of a message that is gone, a server says OK and no more (RFC 6851, 4.3), or names it in an empty set.
    if arrival is None and (mailbox.session.can("UIDPLUS") or not mailbox.session.told("EXPUNGE")):
        raise _GoneError
    return arrival


def _copy_and_remove(mailbox: ImapMailbox, folder: SelectedFolder, uid: int, target: str) -> UidMark | None:
    """Copy the message, unless an attempt that broke off has done so, and then remove it."""
    original = next(_heads(mailbox, [uid]), None)
    if original is None:
        raise _GoneError
    try:
        mailbox.folders.open(target)
        copied_texts = _digests(mailbox, _likes_of(mailbox, original, "1:*"))
    except FolderNotFound:
        copied_texts = set()
    mailbox.folders.open(folder.name)
    arrival = None
    if not copied_texts or copied_texts.isdisjoint(_digests(mailbox, [uid])):
        _to_target(mailbox, "COPY", uid, target)
        arrival = read_copy_uid(mailbox.session.told("COPYUID"))
    _remove(mailbox, uid)
    return arrival


def _to_target(mailbox: ImapMailbox, verb: str, uid: int, target: str) -> None:
    """MOVE or COPY; a target that somebody has deleted meanwhile is created again."""
    session, folders = mailbox.session, mailbox.folders
    session.may_change()
    reply = session.attempt_uid(_MOVING, verb, str(uid), folders.encoded(target))
    if reply.code == _GONE:
        raise _GoneError
    if may_mean_missing_folder(reply):
        folders.learn()
        if not folders.exists(target):
            folders.create(target)
            reply = session.attempt_uid(_MOVING, verb, str(uid), folders.encoded(target))
    if not reply.is_ok:
        if not list(mailbox.fetch([uid], "RFC822.SIZE", _MOVING)):
            raise _GoneError
        raise refusal(session.server, reply, _MOVING)


def _yield_to_the_first(mailbox: ImapMailbox, target: str, free: UidMark, arrival: UidMark) -> None:
    """Delete the moved message again if another worker has moved the same one first.

    Some servers, such as Dovecot 2.3, let two sessions move one message, each to a separate UID. The lower
    one counts. Only what has come since `free` is looked at: an older message with the same id is not a
    duplicate.
    """
    first_free = free[1] if free[0] == arrival[0] else 1
    _, uid = arrival
    if uid <= first_free:
        return
    mailbox.folders.open(target)
    for ours in _heads(mailbox, [uid]):
        theirs = _digests(mailbox, _likes_of(mailbox, ours, f"{first_free}:{uid - 1}"))
        if theirs and not theirs.isdisjoint(_digests(mailbox, [uid])):
            _remove(mailbox, uid)
            raise _GoneError


def _heads(mailbox: ImapMailbox, uids: Iterable[int]) -> Iterator[Fetched]:
    return mailbox.fetch(uids, _WHAT_A_COPY_SHARES, _MOVING, WHOLE_HEADER)


def _likes_of(mailbox: ImapMailbox, original: Fetched, uid_set: str) -> list[int]:
    """Find messages of the selected folder with the same header and size."""
    message_id = parse_headers(original.section or b"").message_id
    texts = search_texts(message_id) if message_id else ()
    size = original.size or 0
    # The last text finds most: an id without its brackets too.
    like_it = (
        AND(header=H("Message-ID", texts[-1])) if texts else AND(size_lt=size + 1, size_gt=max(size - 1, 0))
    )
    candidates = _heads(mailbox, mailbox.search(f"UID {uid_set} {like_it}", _MOVING))
    return [each.uid for each in candidates if (each.size, each.section) == (size, original.section)]


def _digests(mailbox: ImapMailbox, uids: Iterable[int]) -> set[bytes]:
    """Return what tells texts of messages apart: those without a Message-ID may differ in nothing else."""
    texts = mailbox.fetch(uids, "BODY.PEEK[TEXT]", _MOVING, mailbox.session.limits.max_message_bytes)
    return {hashlib.sha256(each.section or b"").digest() for each in texts}
