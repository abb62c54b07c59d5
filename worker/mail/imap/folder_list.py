"""Listing folders with their counts and uses (RFC 5819, 6154). It blocks: use it in a thread."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from worker.mail.imap.folder_pattern import FolderPattern
from worker.mail.imap.limits import FOLDER_LIST
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.replies import Piece, decode_name, read_folders
from worker.models.imap_folders import FolderRow

_LISTING = "list the folders"
_COUNTS = "(MESSAGES UNSEEN)"
_USES = {
    use.lower(): use
    for use in (r"\All", r"\Archive", r"\Drafts", r"\Flagged", r"\Important", r"\Junk", r"\Sent", r"\Trash")
}
_ATTRIBUTES = re.compile(rb"\(([^)]*)\)")
_STATUS = re.compile(rb'(?:"((?:[^"\\]|\\.)*)"|([^\s()"]+))? *\(([^()]*)\)')
_COUNT = re.compile(rb"(MESSAGES|UNSEEN) (\d{1,10})", re.IGNORECASE)
_ESCAPED = re.compile(rb"\\(.)")
# More folders are listed without their counts if each has to be asked for them.
_MOST_ASKED = 1000

Counts = dict[bytes, int]


def list_folders(mailbox: ImapMailbox, pattern: str) -> list[FolderRow]:
    """List the folders that match, by name. `.` and `/` both separate the levels of a pattern."""
    session = mailbox.session
    options = ["SPECIAL-USE"] if session.can("SPECIAL-USE") else []
    has_counts = session.can("LIST-STATUS")
    options += [f"STATUS {_COUNTS}"] if has_counts else []
    wanted = f'"*" RETURN ({" ".join(options)})' if options else '"*"'
    reply = session.attempt("LIST", _LISTING, session.client.list, '""', wanted, octets=2 * FOLDER_LIST)
    counts = dict(_read_counts(session.client.response("STATUS")[1]))
    reply = session.require(reply, _LISTING)
    wanted_names = FolderPattern(pattern)
    found = [folder for folder in _read_list(reply.data) if wanted_names.matches(folder[1], folder[2])]
    if not has_counts and len(found) <= _MOST_ASKED:
        for raw_name, name, *_, is_selectable, _ in found:
            if is_selectable:
                counts[raw_name] = _ask_counts(mailbox, name, raw_name)
    rows = {
        name: FolderRow(
            name=name,
            delimiter=delimiter,
            messages=counts.get(raw_name, {}).get(b"MESSAGES"),
            unread=counts.get(raw_name, {}).get(b"UNSEEN"),
            special_use=use,
        )
        for raw_name, name, delimiter, _, use in found
    }
    return [rows[name] for name in sorted(rows)]


def _read_list(pieces: Iterable[Piece]) -> Iterator[tuple[bytes, str, str | None, bool, str | None]]:
    """Read the name as the server writes it and as people do, delimiter, whether it has email, and use."""
    for piece in pieces:
        for raw_name, delimiter, is_selectable in read_folders([piece]):
            attributes = _ATTRIBUTES.match(piece[0] if isinstance(piece, tuple) else piece)
            words = attributes[1].decode("latin_1").lower().split() if attributes else []
            use = next((_USES[word] for word in words if word in _USES), None)
            yield raw_name, decode_name(raw_name), delimiter, is_selectable, use


def _ask_counts(mailbox: ImapMailbox, name: str, raw_name: bytes) -> Counts:
    session = mailbox.session
    quoted = b'"' + raw_name.replace(b"\\", rb"\\").replace(b'"', rb"\"") + b'"'
    reply = session.attempt("STATUS", f"count the messages of {name}", session.client.status, quoted, _COUNTS)
    return next((counts for _, counts in _read_counts(reply.data)), {}) if reply.is_ok else {}


def _read_counts(pieces: Iterable[Piece | None]) -> Iterator[tuple[bytes, Counts]]:
    """Read STATUS replies: the name as the server writes it, and the counts."""
    name = None
    for piece in pieces:
        if isinstance(piece, tuple):  # the name is a literal, and the counts follow it
            name = piece[1]
        elif piece is not None and (match := _STATUS.match(piece)):
            quoted, atom, items = match.groups()
            written = _ESCAPED.sub(rb"\1", quoted) if quoted is not None else atom or b""
            yield (
                written if name is None else name,
                {key.upper(): int(value) for key, value in _COUNT.findall(items)},
            )
            name = None
