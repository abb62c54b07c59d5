"""Moving one message, and no other. It blocks: use it in a thread.

The connection may break after any command, and another worker may move the same message at the same
time: the message is always in at least one folder, and ends in one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from worker.errors import FolderNotFound, MessageNotFound
from worker.mail.imap.client import quote_name
from worker.mail.imap.errors import may_mean_missing_folder, refusal
from worker.mail.imap.ids import search_texts
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.memory import FolderKey
from worker.mail.imap.removal import refuse_read_only, remove
from worker.mail.imap.responses import Fetched, Reply, UidMark, read_copy_uid
from worker.mail.imap.search import Part, astring, command_chunks
from worker.mail.imap.session import SelectedFolder
from worker.mail.message.parse import parse_headers

_DOING = "move the message"
_WHAT_A_COPY_SHARES = "RFC822.SIZE BODY.PEEK[HEADER]"
# Compared only where these are equal: mails without a Message-ID may differ in nothing but their text.
_TEXT = "BODY.PEEK[TEXT]"
# The server has noticed that the message is gone (RFC 5530).
_GONE = "EXPUNGEISSUED"


class _GoneError(Exception):
    """The message is no longer where it was."""


def move_message(mailbox: ImapMailbox, path: str, target_path: str, message_id: str) -> bool:
    """Move the message, creating what is missing of the target; return whether anything was to be done."""
    folder = mailbox.folders.open(path, is_current=False)
    uid = mailbox.find_one(folder, message_id)
    target = mailbox.folders.name_of(target_path)
    if target == folder.name:
        return False
    refuse_read_only(mailbox.session, folder)
    if not mailbox.folders.exists(target):
        mailbox.folders.create(target)
    free = mailbox.folders.next_uid(target)
    transfer = _move if mailbox.session.can("MOVE") else _copy_and_remove
    try:
        arrival = transfer(mailbox, folder, uid, target)
        if arrival is not None:
            _remember(mailbox, FolderKey.of(mailbox.account, folder), uid, target, arrival)
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


def _move(mailbox: ImapMailbox, _folder: SelectedFolder, uid: int, target: str) -> UidMark | None:
    reply = _to_target(mailbox, "MOVE", uid, target)
    # Of a message that is gone, a server says OK and no more (RFC 6851, 4.3), or names it in an empty set.
    arrival = read_copy_uid(reply.data.get("COPYUID", ()))
    if arrival is None and (mailbox.session.can("UIDPLUS") or "EXPUNGE" not in reply.data):
        raise _GoneError
    return arrival


def _copy_and_remove(mailbox: ImapMailbox, folder: SelectedFolder, uid: int, target: str) -> UidMark | None:
    """Copy the message, unless an attempt that broke off has done so, and then remove it."""
    originals = mailbox.fetch([uid], _WHAT_A_COPY_SHARES, doing=_DOING)
    if not originals:
        raise _GoneError
    try:
        mailbox.folders.open(target)
        copied_texts = _digests(mailbox, _likes_of(mailbox, originals[0], "1:*"))
    except FolderNotFound:
        copied_texts = set()
    mailbox.folders.open(folder.name)
    arrival = None
    if not copied_texts or copied_texts.isdisjoint(_digests(mailbox, [uid])):
        reply = _to_target(mailbox, "COPY", uid, target)
        arrival = read_copy_uid(reply.data.get("COPYUID", ()))
    remove(mailbox.session, uid)
    return arrival


def _to_target(mailbox: ImapMailbox, verb: str, uid: int, target: str) -> Reply:
    """MOVE or COPY; a target that somebody has deleted meanwhile is created again."""
    session = mailbox.session
    command = f"UID {verb} {uid} ".encode() + quote_name(target)
    session.may_change()
    reply = session.attempt(command, doing=_DOING, is_long=True)
    if reply.code == _GONE:
        raise _GoneError
    if may_mean_missing_folder(reply):
        mailbox.folders.learn()
        if not mailbox.folders.exists(target):
            mailbox.folders.create(target)
            reply = session.attempt(command, doing=_DOING, is_long=True)
    if not reply.is_ok:
        if not mailbox.fetch([uid], "RFC822.SIZE", doing=_DOING):
            raise _GoneError
        raise refusal(session.server, reply, _DOING)
    return reply


def _yield_to_the_first(mailbox: ImapMailbox, target: str, free: UidMark, arrival: UidMark) -> None:
    """Take our message away again if another worker has brought the same one first.

    Dovecot 2.3 for one lets two sessions move one message, each to a UID of its own. The lower one counts.
    Only what has come since `free` is looked at: an older message like this one is no double.
    """
    first_free = free.uid if free.uid_validity == arrival.uid_validity else 1
    if arrival.uid <= first_free:
        return
    mailbox.folders.open(target)
    between = f"{first_free}:{arrival.uid - 1}"
    for ours in mailbox.fetch([arrival.uid], _WHAT_A_COPY_SHARES, doing=_DOING):
        theirs = _digests(mailbox, _likes_of(mailbox, ours, between))
        if theirs and not theirs.isdisjoint(_digests(mailbox, [arrival.uid])):
            remove(mailbox.session, arrival.uid)
            raise _GoneError


def _likes_of(mailbox: ImapMailbox, original: Fetched, uid_set: str) -> list[int]:
    """Find messages of the selected folder with the same header and size."""
    message_id = parse_headers(original.section or b"").message_id
    texts = search_texts(message_id) if message_id else ()
    size = original.size or 0
    of_its_size: Part = b"SMALLER %d LARGER %d" % (size + 1, max(size - 1, 0))
    # The last text finds most: an id without its brackets too.
    like_it = [b"HEADER Message-ID", astring(texts[-1])] if texts else [of_its_size]
    chunks = command_chunks([b"UID SEARCH UID", uid_set.encode(), *like_it])
    found = mailbox.session.command(*chunks, doing=_DOING, is_long=True).numbers("SEARCH")
    candidates = mailbox.fetch(found, _WHAT_A_COPY_SHARES, doing=_DOING)
    shared = (original.size, original.section)
    return [each.uid for each in candidates if (each.size, each.section) == shared]


def _digests(mailbox: ImapMailbox, uids: Iterable[int]) -> set[bytes]:
    """Return what tells the texts of messages of the selected folder apart."""
    digests: set[bytes] = set()
    mailbox.fetch_each(
        uids, _TEXT, lambda each: digests.add(hashlib.sha256(each.section or b"").digest()), doing=_DOING
    )
    return digests


def _remember(mailbox: ImapMailbox, source: FolderKey, uid: int, target: str, arrival: UidMark) -> None:
    """The next operation on the message need not compare its id again."""
    mailbox.folders.note_arrival(target, arrival)
    known = mailbox.memory.message_ids(source, [uid])
    place = FolderKey(mailbox.account, target, arrival.uid_validity)
    mailbox.memory.keep_message_ids(place, ((arrival.uid, known[each]) for each in known))
