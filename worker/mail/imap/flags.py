"""Setting and clearing the flags of one message. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet

from worker.errors import NotSupported
from worker.mail.imap.mailbox import ImapMailbox


def change_flags(
    mailbox: ImapMailbox,
    path: str,
    message_id: str,
    *,
    added: AbstractSet[str],
    removed: AbstractSet[str] = frozenset(),
) -> frozenset[str]:
    """Add and remove flags of the message, only those that it lacks or has; return its flags then.

    Raises NotSupported if the server does not keep one of them.
    """
    mailbox.session.purpose = "set the flags of the message"
    mailbox.folders.open(path, is_current=False)
    uid = mailbox.find_one(message_id)
    flags = _flags_of(mailbox, uid)
    lacking, surplus = _without(added, flags), _without(removed, _without(removed, flags))
    if lacking or surplus:
        mailbox.refuse_read_only()
        mailbox.session.store([uid], "+", sorted(lacking))
        mailbox.session.store([uid], "-", sorted(surplus))
        flags = _flags_of(mailbox, uid)
    lost = _without(added, flags)
    if lost:
        server = mailbox.session.server
        raise NotSupported(
            f"{server} does not keep the flag {min(lost)} in the folder {mailbox.folder.name}.",
            server=server,
            extension="PERMANENTFLAGS",
        )
    return flags


def _flags_of(mailbox: ImapMailbox, uid: int) -> frozenset[str]:
    fetched = list(mailbox.fetch([uid], "RFC822.SIZE FLAGS"))
    return next((each.flags for each in fetched if each.flags is not None), frozenset())


def _without(flags: Iterable[str], others: Iterable[str]) -> Collection[str]:
    """Return the flags that are not among others, each once; letter case does not matter (RFC 9051, 2.3.2).

    Dovecot loses keywords of a command that names one in two letter cases.
    """
    folded = {flag.lower() for flag in others}
    return {name: flag for flag in sorted(flags) if (name := flag.lower()) not in folded}.values()
