"""Asking a server to search, in the charsets and forms that it takes. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from worker.errors import NotSupported
from worker.mail.imap.responses import Reply, read_all
from worker.mail.imap.search import Part, command_chunks, conditions_of, search_keys
from worker.mail.imap.session import ImapSession
from worker.models.search import Criterion, SearchField

_DOING = "search the folder"


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search has found: UIDs, lowest first; `is_saved`: the server knows them as `$` (RFC 5182)."""

    uids: list[int]
    is_saved: bool


def search(session: ImapSession, criterion: Criterion | None) -> Hits:
    """Search the selected folder as it is now.

    Raises NotSupported where the server has no charset for a value, and ServerRefused.
    """
    reply = _search(session, criterion, is_from_a_header=False)
    has_from = any(condition.field is SearchField.FROM for condition in conditions_of(criterion))
    if has_from and not reply.is_ok and not reply.code:
        # GreenMail for one takes nothing but whole addresses after FROM.
        reply = _search(session, criterion, is_from_a_header=True)
    return hits_of(session.require(reply, _DOING))


def can_save(session: ImapSession) -> bool:
    """Tell whether the server keeps what it has found for the next command."""
    return session.can("ESEARCH") and session.can("SEARCHRES")


def hits_of(reply: Reply) -> Hits:
    """Read what a search has found, in the old form or the extended one (RFC 4731)."""
    saved = read_all(reply.data.get("ESEARCH", ()))
    return Hits(sorted(reply.numbers("SEARCH") if saved is None else saved), is_saved=saved is not None)


def _verb(session: ImapSession) -> bytes:
    return b"UID SEARCH RETURN (SAVE ALL)" if can_save(session) else b"UID SEARCH"


def _search(session: ImapSession, criterion: Criterion | None, *, is_from_a_header: bool) -> Reply:
    """Search in UTF-8, or where the server has only others, in one of those that it names."""
    if all(condition.value.isascii() for condition in conditions_of(criterion)):
        keys = search_keys(criterion, is_from_a_header=is_from_a_header)
        return session.attempt_current(*command_chunks([_verb(session), *keys]), doing=_DOING, is_long=True)
    charsets, tried = ["UTF-8"], set[str]()
    while charsets:
        charset = charsets.pop(0)
        tried.add(charset)
        for keys in _encoded(criterion, charset, is_from_a_header=is_from_a_header):
            chunks = command_chunks([_verb(session), b"CHARSET", charset.encode(), *keys])
            reply = session.attempt_current(*chunks, doing=_DOING, is_long=True)
            if reply.code != "BADCHARSET":
                return reply
            named = reply.code_arguments.replace('"', " ").strip("() ").upper().split()
            charsets.extend(name for name in named if name not in tried and name not in charsets)
    raise NotSupported(
        f"{session.server} cannot search for texts beyond ASCII in a charset that has all their characters.",
        server=session.server,
        extension="CHARSET UTF-8",
    )


def _encoded(criterion: Criterion | None, charset: str, *, is_from_a_header: bool) -> Iterator[list[Part]]:
    """Yield the keys once, or not at all where they cannot be written in the charset."""
    try:
        yield search_keys(criterion, charset, is_from_a_header=is_from_a_header)
    except (LookupError, UnicodeEncodeError):
        return
