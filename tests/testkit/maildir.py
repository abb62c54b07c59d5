"""A Maildir written and read without its server: what tests put there, and what is truly left.

Reading the files instead of asking the server needs no session, so it takes no lock, disturbs no
count, and works while the server is down.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pwd
    from collections.abc import Iterable, Iterator

FLAGS = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "T": "\\Deleted", "D": "\\Draft"}
LETTERS = {flag: letter for letter, flag in FLAGS.items()}


@dataclass(frozen=True)
class StoredMessage:
    """A message as it lies in a folder; `uid` is None until the server has given it one."""

    raw: bytes
    flags: frozenset[str]
    received: datetime
    uid: int | None


class Maildir:
    """One folder: the directories cur, new and tmp, owned by the server's account."""

    def __init__(self, path: Path, owner: pwd.struct_passwd) -> None:
        self.path = path
        self._owner = owner
        # Servers number new messages in the order of their names, which begin with this number.
        self._next_number = time.time_ns() // 1_000_000

    def create(self) -> None:
        """Make the directories that are not there yet, and those above them."""
        for part in ("cur", "new", "tmp"):
            self._make_directory(self.path / part)

    def deliver(self, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None) -> None:
        """Put one message there, as new mail or, with flags, as mail already known."""
        self._next_number += 1
        letters = "".join(sorted(LETTERS[flag] for flag in flags))
        crlf_size = len(raw) + raw.count(b"\n") - raw.count(b"\r\n")
        name = f"{self._next_number}.kit,S={len(raw)},W={crlf_size}:2,{letters}"
        # Through tmp, so that a server that looks meanwhile sees the whole message or none.
        draft = self.path / "tmp" / name
        draft.write_bytes(raw)
        if received is not None:
            os.utime(draft, (received.timestamp(), received.timestamp()))
        os.chown(draft, self._owner.pw_uid, self._owner.pw_gid)
        draft.rename(self.path / "cur" / name)

    def messages(self) -> list[StoredMessage]:
        """All that is there now, in the order of their UIDs, those without one last."""
        while True:
            uids = dict(self._uids())
            found = [_read(file, uids) for file in self._files()]
            messages = [message for message in found if message is not None]
            # A file that the server renamed meanwhile (a new flag is a new name) is found the next time.
            if len(messages) == len(found):
                return sorted(messages, key=lambda each: (each.uid is None, each.uid or 0, each.received))

    def _files(self) -> list[Path]:
        parts = [part for name in ("new", "cur") if (part := self.path / name).is_dir()]
        return sorted(file for part in parts for file in part.iterdir())

    def _uids(self) -> Iterator[tuple[str, int]]:
        uid_list = self.path / "dovecot-uidlist"
        lines = uid_list.read_text("utf-8", "replace").splitlines()[1:] if uid_list.exists() else []
        for line in lines:
            fields, _, name = line.partition(":")
            yield _base_name(name), int(fields.split()[0])

    def _make_directory(self, path: Path) -> None:
        if not path.is_dir():
            self._make_directory(path.parent)
            path.mkdir()
            os.chown(path, self._owner.pw_uid, self._owner.pw_gid)


def numbered_message(number: int) -> bytes:
    """The n-th of many small messages: all headers that a list shows, each different."""
    sent = datetime.fromtimestamp(1_700_000_000 + number * 60, UTC)
    return (
        f"From: Sender {number} <sender{number}@example.org>\r\n"
        f"To: receiver@example.org\r\n"
        f"Subject: Message {number}\r\n"
        f"Date: {sent:%a, %d %b %Y %H:%M:%S} +0000\r\n"
        f"Message-ID: <{number}@numbered.example.org>\r\n"
        "\r\n"
        f"Body of message {number}.\r\n"
    ).encode()


def _read(file: Path, uids: dict[str, int]) -> StoredMessage | None:
    """One message, or None when it is no longer there under this name."""
    try:
        raw, status = file.read_bytes(), file.stat()
    except FileNotFoundError:
        return None
    letters = file.name.rpartition(":2,")[2] if ":2," in file.name else ""
    return StoredMessage(
        raw=raw,
        flags=frozenset(FLAGS.get(letter, letter) for letter in letters),
        received=datetime.fromtimestamp(status.st_mtime, UTC),
        uid=uids.get(_base_name(file.name)),
    )


def _base_name(file_name: str) -> str:
    return re.sub(r":2,.*$", "", file_name)
