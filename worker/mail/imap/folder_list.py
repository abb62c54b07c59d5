"""Listing folders with their counts and uses (RFC 5819, 6154). It blocks: use it in a thread."""

from __future__ import annotations

from worker.mail.imap.errors import is_unexplained
from worker.mail.imap.folder_pattern import FolderPattern
from worker.mail.imap.folders import quoted
from worker.mail.imap.limits import FOLDER_LIST
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.replies import Reply, read_counts, read_folders
from worker.mail.imap.session import ImapSession
from worker.models.email import FolderRow

_COUNTS = "MESSAGES UNSEEN"
# What LIST is asked for in addition, by the capability that it takes.
_OPTIONS = {"SPECIAL-USE": "SPECIAL-USE", "LIST-STATUS": f"STATUS ({_COUNTS})"}
_USES = {
    use.lower(): use
    for use in (r"\All", r"\Archive", r"\Drafts", r"\Flagged", r"\Important", r"\Junk", r"\Sent", r"\Trash")
}
# More folders are listed without their counts if each has to be asked for them.
_MOST_ASKED = 1000


def list_folders(mailbox: ImapMailbox, pattern: str) -> list[FolderRow]:
    """List the folders that match, by name. `.` and `/` both separate the levels of a pattern."""
    session = mailbox.session
    session.purpose = "list the folders"
    options = [option for capability, option in _OPTIONS.items() if capability in session.capabilities]
    reply = _ask(session, options)
    if options and is_unexplained(reply):  # some announce what only plain LIST tells (RFC 6154, 2)
        reply = _ask(session, [])
    told = session.client.response("STATUS")[1]
    counts = dict(read_counts(piece for piece in told if piece))
    folders = read_folders(session.require(reply).data)
    wanted_names = FolderPattern(pattern)
    found = [folder for folder in folders if wanted_names.matches(folder.name, folder.delimiter)]
    lacking = [folder.raw_name for folder in found if folder.is_selectable and folder.raw_name not in counts]
    for raw_name in lacking if len(lacking) <= _MOST_ASKED else ():
        counts[raw_name] = mailbox.folders.counts(quoted(raw_name), _COUNTS)
    rows = {
        folder.name: FolderRow(
            name=folder.name,
            delimiter=folder.delimiter,
            messages=counts.get(folder.raw_name, {}).get("MESSAGES"),
            unread=counts.get(folder.raw_name, {}).get("UNSEEN"),
            special_use=next((_USES[each] for each in folder.attributes if each in _USES), None),
        )
        for folder in found
    }
    return [rows[name] for name in sorted(rows)]


def _ask(session: ImapSession, options: list[str]) -> Reply:
    wanted = f'"*" RETURN ({" ".join(options)})' if options else '"*"'
    return session.attempt("LIST", session.client.list, '""', wanted, octets=2 * FOLDER_LIST)
