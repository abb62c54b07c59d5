"""Folders by the paths that people write, in the server's own hierarchy (RFC 9051, 5.1; RFC 2342)."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass

from imap_tools.imap_utf7 import utf7_encode

from worker.errors import FolderNotFound
from worker.mail.imap.errors import is_unexplained
from worker.mail.imap.limits import FOLDER_LIST, MOST_MESSAGES
from worker.mail.imap.replies import (
    ListedFolder,
    Reply,
    read_counts,
    read_folders,
    read_namespaces,
    read_number,
)
from worker.mail.imap.session import ImapSession
from worker.masking import excerpt
from worker.models.bounds import FOLDER_CHARACTERS

INBOX = "INBOX"
# Prefix and delimiter.
Namespace = tuple[str, str | None]
_SEPARATOR = re.compile(r"[./]")
_SHOWN_NAMES = 5
_SHOWN_CHARACTERS = 1_000
# The names of most similar length, and of each the beginning: to compare takes up to a millisecond.
_COMPARED_NAMES = 300
_COMPARED_CHARACTERS = 100
# In UTF-7, a character takes eight at most.
_MOST_OCTETS = 8 * FOLDER_CHARACTERS


@dataclass(frozen=True, slots=True)
class SelectedFolder:
    """The folder that the session's commands mean; `uid_validity` makes its UIDs last (RFC 9051, 2.3.1.1)."""

    name: str
    uid_validity: int
    is_read_only: bool


_NONE = SelectedFolder("", 0, is_read_only=False)


def quoted(raw_name: bytes) -> bytes:
    """Return a name as it goes into a command."""
    return b'"' + raw_name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _with_inbox(path: str) -> str:
    """Return a path with INBOX in capitals if that is its first level (RFC 9051, 5.1: in any letter case)."""
    return re.sub(rf"^[./]*{INBOX}(?![^./\\])", lambda found: found[0].upper(), path, flags=re.IGNORECASE)


def _key(levels: list[str]) -> tuple[str, ...]:
    """Return levels as they are compared: a letter and its accent may be one character or two."""
    return tuple(unicodedata.normalize("NFC", level) for level in levels)


class ImapFolders:
    """The folders of one session. What exists is asked first, and again only if something is missing."""

    def __init__(self, session: ImapSession) -> None:
        self.selected = _NONE
        self._session = session
        self._next_uids: dict[str, int] = {}
        self.learn()

    def learn(self) -> None:
        """Ask for the hierarchy and the names in it; a server that refuses to list still has an INBOX."""
        folders = self._list("*")
        self._raw_names = {INBOX: INBOX.encode()}
        # By the levels of a name: the name and its delimiter.
        self._names_by_levels: dict[tuple[str, ...], Namespace] = {}
        for folder in folders:
            # No task can name a longer one.
            if folder.is_selectable and len(folder.raw_name) <= _MOST_OCTETS:
                name, delimiter = _with_inbox(folder.name), folder.delimiter
                self._raw_names[name] = folder.raw_name
                levels = name.split(delimiter) if delimiter else [name]
                self._names_by_levels[_key(levels)] = name, delimiter
        found = (folder.delimiter for folder in folders or self._list("") if folder.delimiter)
        delimiter, namespaces = next(found, None), []
        if "NAMESPACE" in self._session.capabilities:
            ask, doing = self._session.client.namespace, "find your folders"
            namespaces = read_namespaces(self._session.attempt("NAMESPACE", ask, doing=doing).data)
        prefix, own_delimiter = namespaces[0] if namespaces else ("", None)
        self._own: Namespace = prefix, own_delimiter or delimiter
        known = [self._own, *namespaces[1:], ("", delimiter)]
        self._namespaces = sorted(known, key=lambda each: len(each[0]), reverse=True)

    def name_of(self, path: str) -> str:
        """Return the server's name for a path, of a folder that need not exist.

        A folder of exactly that name wins, then one whose levels are those that `.` and `/` separate in
        the path, then such a one below the user's own prefix.
        """
        path = _with_inbox(path)
        levels = [level for level in _SEPARATOR.split(path) if level]
        if levels == [INBOX]:
            return INBOX
        if self._refusal is not None:
            self.learn()
        if self._refusal is not None:
            raise self._refusal
        if path in self._raw_names:
            return path
        known = self._names_by_levels.get(_key(levels))
        return known[0] if known else self._new_name(path, levels)

    def _new_name(self, path: str, levels: list[str]) -> str:
        """Return the name below the folder or in the namespace that the path names, or in the user's own."""
        for depth in range(len(levels) - 1, 0, -1):
            parent, delimiter = self._names_by_levels.get(_key(levels[:depth]), ("", None))
            if delimiter:
                return delimiter.join([parent, *levels[depth:]])
        for prefix, delimiter in self._namespaces:
            start = prefix.split(delimiter)[:-1] if delimiter else []
            if delimiter and start and levels[: len(start)] == start:
                return delimiter.join(levels)
        prefix, delimiter = self._own
        return prefix + (delimiter.join(levels) if delimiter else path)

    def open(self, path: str, *, is_current: bool = True) -> None:
        """Select a folder unless it is selected already; raises FolderNotFound with the closest names.

        `is_current`: what others have done there until now must be seen.
        """
        name = self.name_of(path)
        if self.selected.name == name:
            if is_current:
                self._session.ensure_current()
            return
        reply = self._select(name)
        if is_unexplained(reply):
            self.learn()  # somebody else may have created it meanwhile
            name = self.name_of(path)
            if not self.exists(name):
                raise self._not_found(path)
            reply = self._select(name)
        if not reply.is_ok:
            raise self._session.refusal(reply)

    def exists(self, name: str) -> bool:
        """Tell whether a folder of this name was there when the session last asked, or was made by it."""
        return name in self._raw_names

    def encoded(self, name: str) -> bytes:
        """Return a name as it goes into a command: as the server has written it, if it has."""
        raw_name = self._raw_names.get(name)
        return quoted(self._new_raw_name(name) if raw_name is None else raw_name)

    def _new_raw_name(self, name: str) -> bytes:
        """Return how a name is written that the server has not written itself (RFC 9051, A.1)."""
        versions = self._session.capabilities & {"IMAP4REV1", "IMAP4REV2"}
        return name.encode() if versions == {"IMAP4REV2"} else bytes(utf7_encode(name))

    def next_uid(self, name: str) -> int:
        """Return the lowest UID that was free in a folder when the session last heard of it; 0 if unknown."""
        if name not in self._next_uids:
            self._next_uids[name] = self.counts(self.encoded(name), "UIDNEXT").get("UIDNEXT", 0)
        return self._next_uids[name]

    def counts(self, encoded_name: bytes, items: str) -> dict[str, int]:
        """Return these numbers of a folder (RFC 9051, 6.3.11), as far as the server tells them."""
        reply = self._session.attempt("STATUS", self._session.client.status, encoded_name, f"({items})")
        return next((counts for _, counts in read_counts(reply.data)), {})

    def note_arrival(self, name: str, uid: int) -> None:
        """Remember which UID a message has got in a folder: the next one gets a higher one."""
        self._next_uids[name] = uid + 1

    def create(self, name: str) -> None:
        """Create a folder and the levels above it that are missing, and subscribe to them."""
        folder = self._session.box.folder
        for level in self._levels(name):
            if level in self._raw_names:
                continue
            encoded = self.encoded(level)
            reply = self._session.attempt(
                "CREATE", folder.create, encoded, doing=f"create the folder {level}"
            )
            # A parent level may contain folders without being one; only the last level must be a folder.
            if level == name and not reply.is_ok and reply.code != "ALREADYEXISTS":
                self.learn()  # somebody else may have created it meanwhile
                if name not in self._raw_names:
                    raise self._session.refusal(reply)
            if reply.is_ok:
                self._session.attempt("SUBSCRIBE", folder.subscribe, encoded, True)  # noqa: FBT003
            self._raw_names[level] = self._new_raw_name(level)
            # Whoever has made it: when the session last heard of it, there was nothing in it.
            self._next_uids[level] = 1

    def _list(self, pattern: str) -> list[ListedFolder]:
        session = self._session
        arguments = (session.client.list, '""', f'"{pattern}"')
        reply = session.attempt("LIST", *arguments, octets=FOLDER_LIST, doing="list the folders")
        error = session.refusal(reply)
        # Without the hierarchy no other folder than INBOX can be named; it may be there later.
        self._refusal = error if not reply.is_ok and error.is_retryable else None
        return list(read_folders(reply.data))

    def _select(self, name: str) -> Reply:
        """Select, always for changes too: then a later one needs no second SELECT."""
        session = self._session
        self.selected, session.exists = _NONE, MOST_MESSAGES
        select, doing = session.box.folder.set, f"open the folder {name}"
        reply = session.attempt("SELECT", select, self.encoded(name), doing=doing)
        if reply.is_ok:
            validity, next_uid = (
                read_number((session.told(each) or [b"0"])[-1]) for each in ("UIDVALIDITY", "UIDNEXT")
            )
            if next_uid:
                self._next_uids[name] = next_uid
            self.selected = SelectedFolder(name, validity, is_read_only=reply.code == "READ-ONLY")
            session.take_news()
            session.is_current = True
        return reply

    def _levels(self, name: str) -> list[str]:
        """Return the names of a folder and of those above it, below the prefix of its namespace."""
        prefix, delimiter = next(each for each in self._namespaces if name.startswith(each[0]))
        if delimiter is None:
            return [name]
        levels = name.removeprefix(prefix).split(delimiter)
        return [prefix + delimiter.join(levels[:depth]) for depth in range(1, len(levels) + 1)]

    def _not_found(self, path: str) -> FolderNotFound:
        names = sorted(self._raw_names)
        alike = sorted(names, key=lambda name: abs(len(name) - len(path)))[:_COMPARED_NAMES]
        folded = {_compared(name): name for name in sorted(alike)}
        tried = (_compared(path), _compared(self.name_of(path)))
        found = [match for text in tried for match in difflib.get_close_matches(text, folded, n=_SHOWN_NAMES)]
        closest = list(dict.fromkeys(folded[match] for match in found) or names)[:_SHOWN_NAMES]
        server, shown = self._session.server, excerpt(", ".join(closest), _SHOWN_CHARACTERS)
        text = f"There is no folder {path} at {server}; the closest are {shown}."
        return FolderNotFound(text, server=server, folder=path, closest=closest)


def _compared(name: str) -> str:
    return name.casefold()[:_COMPARED_CHARACTERS]
