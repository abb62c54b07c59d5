"""Folders by the paths that people write, in the server's own hierarchy (RFC 9051, 5.1; RFC 2342)."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from imap_tools.imap_utf7 import utf7_encode

from worker.errors import FolderNotFound, ServerUnavailable
from worker.mail.imap.errors import may_mean_missing_folder, refusal
from worker.mail.imap.limits import FOLDER_LIST, MOST_MESSAGES
from worker.mail.imap.replies import (
    Reply,
    UidMark,
    decode_name,
    read_folders,
    read_next_uid,
    read_personal_namespace,
)
from worker.mail.imap.session import ImapSession

INBOX = "INBOX"
_SEPARATOR = re.compile(r"[./]")
_SHOWN_NAMES = 5
_LISTING = "list the folders"


@dataclass(frozen=True, slots=True)
class SelectedFolder:
    """The folder that the session's commands mean; `uid_validity` makes its UIDs last (RFC 9051, 2.3.1.1)."""

    name: str
    uid_validity: int
    is_read_only: bool


class ImapFolders:
    """The folders of one session. What exists is asked once, and again only if something is missing."""

    def __init__(self, session: ImapSession) -> None:
        self.selected: SelectedFolder | None = None
        self._session = session
        self._prefix = ""
        self._delimiter: str | None = None
        self._raw_names: dict[str, bytes] = {}
        self._names_by_levels: dict[tuple[str, ...], str] = {}
        self._next_uids: dict[str, UidMark] = {}

    def learn(self) -> None:
        """Ask for the hierarchy and the names in it; a server that refuses to list still has an INBOX."""
        folders = self._list("*")
        self._raw_names, self._names_by_levels = {}, {}
        for raw_name, delimiter, is_selectable in folders:
            if is_selectable:
                name = decode_name(raw_name)
                self._raw_names[name] = raw_name
                self._names_by_levels[tuple(name.split(delimiter)) if delimiter else (name,)] = name
        self._delimiter = next(
            (delimiter for _, delimiter, _ in folders or self._list("") if delimiter), None
        )
        if self._session.can("NAMESPACE"):
            reply = self._session.attempt("NAMESPACE", "find your folders", self._session.client.namespace)
            if personal := read_personal_namespace(reply.data):
                self._prefix, self._delimiter = personal[0], personal[1] or self._delimiter

    def name_of(self, path: str) -> str:
        """Return the server's name for a path, of a folder that need not exist.

        A folder of exactly that name wins, then one whose levels are those that `.` and `/` separate in
        the path, then such a one below the user's own prefix.
        """
        levels = [level for level in _SEPARATOR.split(path) if level]
        if levels[0].upper() == INBOX:
            levels[0] = INBOX
            path = re.sub(INBOX, INBOX, path, count=1, flags=re.IGNORECASE)
        if levels == [INBOX]:
            return INBOX
        if path in self._raw_names or self._delimiter is None:
            return path
        joined = self._delimiter.join(levels)
        own = joined if joined.startswith(self._prefix) else self._prefix + joined
        return own if own in self._raw_names else self._names_by_levels.get(tuple(levels), own)

    def open(self, path: str, *, is_current: bool = True) -> SelectedFolder:
        """Select a folder unless it is selected already; raises FolderNotFound with the closest names.

        `is_current`: what others have done there until now must be seen.
        """
        name = self.name_of(path)
        if self.selected is not None and self.selected.name == name:
            if is_current:
                self._session.ensure_current()
            return self.selected
        reply = self._select(name)
        if may_mean_missing_folder(reply):
            self.learn()
            if self.name_of(path) != name:
                reply = self._select(self.name_of(path))
            if not reply.is_ok and self.name_of(path) not in self._raw_names:
                raise self._not_found(path)
        if self.selected is None:
            raise refusal(self._session.server, reply, f"open the folder {path}")
        return self.selected

    def exists(self, name: str) -> bool:
        """Tell whether a folder of this name was there when the session last asked, or was made by it."""
        return name in self._raw_names

    def encoded(self, name: str) -> bytes:
        """Return a name as it goes into a command: as the server has written it, if it has."""
        raw_name = self._raw_names.get(name)
        raw_name = utf7_encode(name) if raw_name is None else raw_name
        return b'"' + raw_name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'

    def next_uid(self, name: str) -> UidMark:
        """Return the lowest UID that was still free in a folder when the session last heard of it."""
        if name not in self._next_uids:
            status, arguments = self._session.client.status, (self.encoded(name), "(UIDNEXT UIDVALIDITY)")
            reply = self._session.attempt("STATUS", f"look at the folder {name}", status, *arguments)
            self._next_uids[name] = read_next_uid(reply.data)
        return self._next_uids[name]

    def note_arrival(self, name: str, arrival: UidMark) -> None:
        """Remember which UID a message has got in a folder: the next one gets a higher one."""
        self._next_uids[name] = (arrival[0], arrival[1] + 1)

    def create(self, name: str) -> None:
        """Create a folder and the levels above it that are missing, and subscribe to them."""
        folder = self._session.box.folder
        for level in self._levels(name):
            if level in self._raw_names:
                continue
            doing, encoded = f"create the folder {level}", self.encoded(level)
            reply = self._session.attempt("CREATE", doing, folder.create, encoded)
            # A parent level may contain folders without being one; only the last level must be a folder.
            if level == name and not reply.is_ok and reply.code != "ALREADYEXISTS":
                self.learn()  # somebody else may have created it meanwhile
                if name not in self._raw_names:
                    raise refusal(self._session.server, reply, doing)
            if reply.is_ok:
                doing = f"subscribe to {level}"
                self._session.attempt("SUBSCRIBE", doing, folder.subscribe, encoded, True)  # noqa: FBT003
            self._raw_names[level] = utf7_encode(level)
            # Whoever has made it: when the session last heard of it, there was nothing in it.
            self._next_uids[level] = (0, 1)

    def _list(self, pattern: str) -> list[tuple[bytes, str | None, bool]]:
        session = self._session
        arguments = (session.client.list, '""', f'"{pattern}"')
        reply = session.attempt("LIST", _LISTING, *arguments, octets=FOLDER_LIST)
        error = refusal(session.server, reply, _LISTING)
        if isinstance(error, ServerUnavailable):
            raise error
        return list(read_folders(reply.data)) if reply.is_ok else []

    def _select(self, name: str) -> Reply:
        """Select, always for changes too: then a later one needs no second SELECT."""
        session = self._session
        self.selected, session.exists = None, MOST_MESSAGES
        reply = session.attempt(
            "SELECT", f"open the folder {name}", session.box.folder.set, self.encoded(name)
        )
        if reply.is_ok:
            with session.understood("open a folder"):
                validity, next_uid = (
                    int((session.told(n) or [b"0"])[-1]) for n in ("UIDVALIDITY", "UIDNEXT")
                )
            if next_uid:
                self._next_uids[name] = (validity, next_uid)
            self.selected = SelectedFolder(name, validity, is_read_only=reply.code == "READ-ONLY")
            session.take_news()
            session.is_current = True
        return reply

    def _levels(self, name: str) -> list[str]:
        if self._delimiter is None:
            return [name]
        own = name.removeprefix(self._prefix)
        prefix = name[: len(name) - len(own)]
        levels = own.split(self._delimiter)
        return [prefix + self._delimiter.join(levels[:depth]) for depth in range(1, len(levels) + 1)]

    def _not_found(self, path: str) -> FolderNotFound:
        folded = {name.casefold(): name for name in sorted(self._raw_names)}
        tried = [path.casefold(), self.name_of(path).casefold()]
        found = [match for text in tried for match in difflib.get_close_matches(text, folded, n=_SHOWN_NAMES)]
        closest = list(dict.fromkeys(folded[match] for match in found))[:_SHOWN_NAMES]
        closest = closest or sorted(self._raw_names)[:_SHOWN_NAMES]
        server = self._session.server
        hint = f"the closest are {', '.join(closest)}" if closest else "the account has none at all"
        return FolderNotFound(
            f"There is no folder {path} at {server}; {hint}.", server=server, folder=path, closest=closest
        )
