"""Folders by the paths that people write, in the server's own hierarchy (RFC 9051, 5.1; RFC 2342)."""

from __future__ import annotations

import difflib
import re

from worker.errors import FolderNotFound, MailServerError
from worker.mail.imap.client import decode_name, quote_name
from worker.mail.imap.errors import may_mean_missing_folder, refusal
from worker.mail.imap.responses import Reply, UidMark, read_folders, read_next_uids, read_personal_namespace
from worker.mail.imap.session import ImapSession, SelectedFolder

INBOX = "INBOX"
_SEPARATOR = re.compile(r"[./]")
_SHOWN_NAMES = 5
_LISTING = "list the folders"


class ImapFolders:
    """The folders of one session. What exists is asked once, and again only where something is missing."""

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        self._prefix = ""
        self._delimiter: str | None = None
        self._names: set[str] = set()
        self._next_uids: dict[str, UidMark] = {}

    def learn(self) -> None:
        """Ask for the hierarchy and the names in it, and how far each folder is, where that costs nothing."""
        listing = b'LIST "" "*" RETURN (STATUS (UIDNEXT UIDVALIDITY))'
        listed, *named = self._session.attempt_together(
            listing if self._session.can("LIST-STATUS") else b'LIST "" "*"',
            *([b"NAMESPACE"] if self._session.can("NAMESPACE") else []),
            doing=_LISTING,
            is_long=True,
        )
        if not listed.is_ok:
            listed = self._session.command(b'LIST "" "*"', doing=_LISTING, is_long=True)
        folders = read_folders(listed.data.get("LIST", ()))
        self._names = {decode_name(folder.raw_name) for folder in folders if folder.is_selectable}
        self._delimiter = next((folder.delimiter for folder in folders if folder.delimiter), None)
        self._keep_next_uids(listed)
        for reply in named:
            personal = read_personal_namespace(reply.data.get("NAMESPACE", ()))
            if personal is not None:
                self._prefix, self._delimiter = decode_name(personal[0]), personal[1] or self._delimiter
        if self._delimiter is None:
            root = read_folders(self._session.command(b'LIST "" ""', doing=_LISTING).data.get("LIST", ()))
            self._delimiter = next((folder.delimiter for folder in root), None)

    def name_of(self, path: str) -> str:
        """Return the server's name for a path, of a folder that need not exist.

        A folder of exactly that name wins; else `.` and `/` divide levels below the user's own prefix.
        """
        levels = [level for level in _SEPARATOR.split(path) if level]
        if levels[0].upper() == INBOX:
            levels[0] = INBOX
            path = re.sub(INBOX, INBOX, path, count=1, flags=re.IGNORECASE)
        if levels == [INBOX]:
            return INBOX
        if path in self._names or self._delimiter is None:
            return path
        joined = self._delimiter.join(levels)
        return joined if joined.startswith(self._prefix) else self._prefix + joined

    def open(self, path: str, *, is_current: bool = True) -> SelectedFolder:
        """Select a folder unless it is selected already; raises FolderNotFound with the closest names.

        `is_current`: what others have done there until now must be seen.
        """
        name = self.name_of(path)
        selected = self._session.selected
        if selected is not None and selected.name == name:
            if is_current:
                self._session.ensure_current()
            return selected
        reply = self._session.select(name)
        if may_mean_missing_folder(reply):
            self.learn()
            if self.name_of(path) != name:
                reply = self._session.select(self.name_of(path))
            if not reply.is_ok and self.name_of(path) not in self._names:
                raise self._not_found(path)
        if self._session.selected is None:
            raise refusal(self._session.server, reply, f"open the folder {path}")
        return self._session.selected

    def exists(self, name: str) -> bool:
        """Tell whether a folder of this name was there when the session last asked, or was made by it."""
        return name in self._names

    def next_uid(self, name: str) -> UidMark:
        """Return the lowest UID that was still free in a folder when the session last heard of it."""
        if name not in self._next_uids:
            command = b"STATUS " + quote_name(name) + b" (UIDNEXT UIDVALIDITY)"
            self._keep_next_uids(self._session.attempt(command, doing=f"look at the folder {name}"))
        return self._next_uids.get(name, UidMark(0, 1))

    def note_arrival(self, name: str, arrival: UidMark) -> None:
        """Remember which UID a message has got in a folder: the next one gets a higher one."""
        self._next_uids[name] = UidMark(arrival.uid_validity, arrival.uid + 1)

    def create(self, name: str) -> None:
        """Create a folder and the levels above it that are missing, and subscribe to them."""
        for level in self._levels(name):
            if level in self._names:
                continue
            doing = f"create the folder {level}"
            reply = self._session.attempt(b"CREATE " + quote_name(level), doing=doing)
            # A level above may be no folder and yet hold folders; what counts is the last one.
            if level == name and not reply.is_ok and reply.code != "ALREADYEXISTS":
                self._confirm(name, refusal(self._session.server, reply, doing))
            if reply.is_ok:
                self._session.attempt(b"SUBSCRIBE " + quote_name(level), doing=f"subscribe to {level}")
            self._names.add(level)
            # Whoever has made it: when the session last heard of it, there was nothing in it.
            self._next_uids[level] = UidMark(0, 1)

    def _keep_next_uids(self, reply: Reply) -> None:
        marks = read_next_uids(reply.data.get("STATUS", ()))
        self._next_uids |= {decode_name(raw_name): mark for raw_name, mark in marks.items()}

    def _confirm(self, name: str, failure: MailServerError) -> None:
        """Raise unless somebody else has created the folder meanwhile."""
        self.learn()
        if name not in self._names:
            raise failure

    def _levels(self, name: str) -> list[str]:
        if self._delimiter is None:
            return [name]
        own = name.removeprefix(self._prefix)
        prefix = name[: len(name) - len(own)]
        levels = own.split(self._delimiter)
        return [prefix + self._delimiter.join(levels[:depth]) for depth in range(1, len(levels) + 1)]

    def _not_found(self, path: str) -> FolderNotFound:
        folded = {name.casefold(): name for name in sorted(self._names)}
        tried = [path.casefold(), self.name_of(path).casefold()]
        found = [match for text in tried for match in difflib.get_close_matches(text, folded, n=_SHOWN_NAMES)]
        closest = list(dict.fromkeys(folded[match] for match in found))[:_SHOWN_NAMES]
        closest = closest or sorted(self._names)[:_SHOWN_NAMES]
        server = self._session.server
        hint = f"the closest are {', '.join(closest)}" if closest else "the account has none at all"
        return FolderNotFound(
            f"There is no folder {path} at {server}; {hint}.",
            server=server,
            folder=path,
            closest=closest,
        )
