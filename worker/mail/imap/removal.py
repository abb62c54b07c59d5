"""Deleting and moving one message, and no other. It blocks: use it in a thread.

The connection may break after any command, and another worker may move the same message at the same
time: the message is always in at least one folder, and ends in one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress

from imap_tools import AND, OR, H

from worker.errors import FolderNotFound, MessageNotFound, ServerRefused, ServerUnavailable
from worker.mail.imap.errors import is_unexplained
from worker.mail.imap.ids import search_texts
from worker.mail.imap.limits import WHOLE_HEADER
from worker.mail.imap.mailbox import DeletedFlags, ImapMailbox
from worker.mail.imap.replies import Fetched, Reply, read_copy_uid
from worker.mail.message.parse import parse_headers

_DELETED = (r"\Deleted",)
_WHAT_A_COPY_SHARES = "RFC822.SIZE BODY.PEEK[HEADER]"
# The server has noticed that the message is gone (RFC 5530).
_GONE = "EXPUNGEISSUED"
_EMPTY_SETS = b"  "  # in COPYUID, by GreenMail


class _GoneError(Exception):
    """The message is no longer where it was."""


def delete_message(mailbox: ImapMailbox, path: str, message_id: str) -> None:
    """Delete the message permanently; messages that others have flagged as deleted stay."""
    mailbox.session.purpose = "delete the message"
    _open_source(mailbox, path)
    uid = mailbox.find_one(message_id)
    mailbox.refuse_read_only()
    _remove(mailbox, uid)


def move_message(mailbox: ImapMailbox, path: str, target_path: str, message_id: str) -> bool:
    """Move the message, creating what is missing of the target; return whether anything was to be done."""
    mailbox.session.purpose = "move the message"
    folders = mailbox.folders
    _open_source(mailbox, path)
    source, target = mailbox.folder.name, folders.name_of(target_path)
    is_new = not folders.exists(target)
    # Asked before another worker may bring the same message there.
    free = 1 if is_new or target == source else folders.next_uid(target)
    uid = mailbox.find_one(message_id)
    if target == source:
        return False
    mailbox.refuse_read_only()
    if is_new:
        folders.create(target)
    transfer = _move if "MOVE" in mailbox.session.capabilities else _copy_and_remove
    try:
        transfer(mailbox, uid, target, free)
    except _GoneError:
        raise mailbox.not_found(source, message_id) from None
    return True


def is_in_folder(mailbox: ImapMailbox, path: str, message_id: str) -> bool:
    """Tell whether a message with this id is in the folder, as an earlier attempt may have left it."""
    try:
        mailbox.folders.open(path)
        return bool(mailbox.find(message_id))
    except (FolderNotFound, MessageNotFound):
        return False


def _open_source(mailbox: ImapMailbox, path: str) -> None:
    """Open the folder, and put back what an attempt that broke off has set aside there."""
    mailbox.folders.open(path, is_current=False)
    aside = _set_aside(mailbox)
    if aside.uids:
        _put_back(mailbox, aside)


def _set_aside(mailbox: ImapMailbox) -> DeletedFlags:
    return mailbox.deleted_flags.keep_first(mailbox.place, DeletedFlags())


def _remove(mailbox: ImapMailbox, uid: int) -> None:
    """Remove a message, by UID EXPUNGE if the server has it: that takes this one alone."""
    session = mailbox.session
    if "UIDPLUS" in session.capabilities:
        session.store([uid], "+", _DELETED)
        reply = session.attempt_uid("EXPUNGE", str(uid))
        if not is_unexplained(reply):
            session.require(reply)
            if not session.take_news():
                _ensure_removed(mailbox, uid)
            return
        session.capabilities -= {"UIDPLUS"}  # it does not do what it announces
    _remove_by_expunge(mailbox, uid)


def _remove_by_expunge(mailbox: ImapMailbox, uid: int) -> None:
    """Remove a message by EXPUNGE, which takes all that is flagged: what others have flagged is unflagged.

    If the connection breaks in between, the next attempt of this worker puts their flags back; a crash
    leaves those messages there without: nothing is lost.
    """
    session = mailbox.session
    aside = _set_aside(mailbox)
    with aside.lock:
        session.store([uid], "+", _DELETED)
        # As late as can be, since others may flag a message at any time.
        others = mailbox.search(f"DELETED NOT UID {uid}")
        aside.uids.update(others)
        try:
            session.store(others, "-", _DELETED)
            session.require(session.attempt("EXPUNGE", session.client.xatom, "EXPUNGE"))
        finally:
            if session.is_usable:
                _put_back(mailbox, aside)
        _ensure_removed(mailbox, uid)


def _ensure_removed(mailbox: ImapMailbox, uid: int) -> None:
    """Raise ServerUnavailable if EXPUNGE has left the message: somebody may have taken its flag away."""
    session = mailbox.session
    if mailbox.has(uid):
        text = f"{session.server} still has the message in {mailbox.folder.name} after EXPUNGE."
        raise ServerUnavailable(text, server=session.server)


def _put_back(mailbox: ImapMailbox, aside: DeletedFlags) -> None:
    with aside.lock, mailbox.session.undoing():
        mailbox.session.store(aside.uids, "+", _DELETED)
        aside.uids.clear()


def _move(mailbox: ImapMailbox, uid: int, target: str, free: int) -> None:
    """Move by MOVE; not all servers tell the UID in the target (RFC 6851, 4.3)."""
    session = mailbox.session
    reply = _to_target(mailbox, "MOVE", uid, target)
    if is_unexplained(reply):
        session.capabilities -= {"MOVE"}  # it does not do what it announces
        _copy_and_remove(mailbox, uid, target, free)
        return
    session.require(reply)
    told = session.told("COPYUID")
    arrival = read_copy_uid(told)
    if arrival is not None:
        session.tells_copy_uid = True
    elif session.tells_copy_uid or (told and told[-1].endswith(_EMPTY_SETS)):
        raise _GoneError
    elif not session.take_news() and mailbox.has(uid):
        source, server = mailbox.folder.name, session.server
        text = f"{server} says that it has moved the message, which is still in {source}."
        raise ServerRefused(text, server=server)
    _yield_to_the_first(mailbox, target, free, arrival)


def _copy_and_remove(mailbox: ImapMailbox, uid: int, target: str, free: int) -> None:
    """Copy the message, unless an attempt that broke off has done so, and then remove it."""
    source, original = mailbox.folder.name, next(_heads(mailbox, [uid]), None)
    if original is None:
        raise _GoneError
    try:
        mailbox.folders.open(target)
        copied_texts = _digests(mailbox, _likes_of(mailbox, original, "1:*"))
    except FolderNotFound:
        copied_texts = set()
    mailbox.folders.open(source)
    if not copied_texts or copied_texts.isdisjoint(_digests(mailbox, [uid])):
        mailbox.session.require(_to_target(mailbox, "COPY", uid, target))
        _yield_to_the_first(mailbox, target, free, read_copy_uid(mailbox.session.told("COPYUID")))
        mailbox.folders.open(source)
    _remove(mailbox, uid)


def _to_target(mailbox: ImapMailbox, verb: str, uid: int, target: str) -> Reply:
    """MOVE or COPY, and return the reply; a target that somebody has deleted meanwhile is created again."""
    session, folders = mailbox.session, mailbox.folders
    reply = session.attempt_uid(verb, str(uid), folders.encoded(target))
    if reply.code == _GONE:
        raise _GoneError
    if is_unexplained(reply):
        folders.learn()
        if not folders.exists(target):
            folders.create(target)
            reply = session.attempt_uid(verb, str(uid), folders.encoded(target))
    if not reply.is_ok and not mailbox.has(uid):
        raise _GoneError
    return reply


def _yield_to_the_first(mailbox: ImapMailbox, target: str, free: int, arrival: int | None) -> None:
    """Delete the moved message again if another worker has moved the same one first.

    Some servers, such as Dovecot 2.3, let two sessions move one message, each to a separate UID. The lower
    one counts. Only what has come since `free` is looked at: an older message with the same id is not a
    duplicate.
    """
    if arrival is None:
        return
    mailbox.folders.note_arrival(target, arrival)
    if not free or arrival <= free:
        return
    with suppress(ServerRefused):  # the message has arrived, even if the target cannot be read
        mailbox.folders.open(target)
        for ours in _heads(mailbox, [arrival]):
            theirs = _digests(mailbox, _likes_of(mailbox, ours, f"{free}:{arrival - 1}"))
            if theirs and not theirs.isdisjoint(_digests(mailbox, [arrival])):
                with mailbox.session.undoing():
                    _remove(mailbox, arrival)
                raise _GoneError


def _heads(mailbox: ImapMailbox, uids: Iterable[int]) -> Iterator[Fetched]:
    return mailbox.fetch(uids, _WHAT_A_COPY_SHARES, WHOLE_HEADER)


def _likes_of(mailbox: ImapMailbox, original: Fetched, uid_set: str) -> list[int]:
    """Find messages of the selected folder with the same header and size."""
    message_id = parse_headers(original.section or b"").message_id
    texts = search_texts(message_id or "")[-2:]
    size = original.size or 0
    keys = [str(AND(size_lt=size + 1, size_gt=max(size - 1, 0)))]
    if len(texts) > 1:  # which find most: an id without its brackets too, or written as encoded words
        keys.insert(0, str(OR(header=[H("Message-ID", text) for text in texts])))
    for key in keys:  # not all servers search by header fields
        reply, hits = mailbox.attempt_search(f"UID {uid_set} {key}")
        if reply.is_ok:
            break
    else:
        raise mailbox.session.refusal(reply)
    candidates = _heads(mailbox, hits)
    return [each.uid for each in candidates if (each.size, each.section) == (size, original.section)]


def _digests(mailbox: ImapMailbox, uids: Iterable[int]) -> set[bytes]:
    """Return what tells texts of messages apart: those without a Message-ID may differ in nothing else."""
    texts = mailbox.fetch(uids, "BODY.PEEK[TEXT]", mailbox.session.limits.max_message_bytes)
    return {hashlib.sha256(each.section or b"").digest() for each in texts}
