"""Another mail program at the same account: puts messages there, looks at what is left, meddles."""

from __future__ import annotations

import imaplib
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from testkit.maildir import StoredMessage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.accounts import Account

WHEN = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class ImapProbe:
    """Speaks IMAP to a server directly; folder names, user and password are in ASCII."""

    host: str
    port: int
    account: Account

    def deliver(
        self, raw: bytes, folder: str = "INBOX", *, flags: str = "", received: datetime = WHEN
    ) -> None:
        """Put a message into a folder, which is made where it is missing."""
        with self.session() as session:
            if folder != "INBOX":
                session.create(f'"{folder}"')  # Refused where it is there already.
            require(session.append(f'"{folder}"', f"({flags})", imaplib.Time2Internaldate(received), raw))

    def messages(self, folder: str = "INBOX") -> list[StoredMessage]:
        """What is in a folder, in UID order; nothing if it does not exist."""
        with self.session() as session:
            status, count = session.select(f'"{folder}"', readonly=True)
            if status != "OK" or count == [b"0"]:
                return []
            parts = require(session.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])"))
        return [stored_message(part[0], part[1]) for part in parts if isinstance(part, tuple)]

    def ids(self, folder: str = "INBOX") -> list[str]:
        """The Message-IDs in a folder, in UID order, without brackets."""
        found = (re.search(rb"(?im)^Message-ID: <(.*)>", message.raw) for message in self.messages(folder))
        return [match.group(1).decode() if match else "" for match in found]

    def subscribed(self) -> list[str]:
        """The lines of LSUB."""
        with self.session() as session:
            return [line.decode() for line in require(session.lsub()) if isinstance(line, bytes)]

    @contextmanager
    def session(self) -> Iterator[imaplib.IMAP4]:
        """A session of its own."""
        session = imaplib.IMAP4(self.host, self.port, timeout=60)
        try:
            session.login(self.account.username, self.account.password)
            yield session
        finally:
            session.shutdown()


def require(answer: tuple[str, list[Any]]) -> list[Any]:
    """The data of an answer that must be OK."""
    status, data = answer
    assert status == "OK", f"refused: {data}"
    return data


def stored_message(head: bytes, raw: bytes) -> StoredMessage:
    """One message of a FETCH answer."""
    uid = re.search(rb"UID (\d+)", head)
    flags = re.search(rb"FLAGS \((.*?)\)", head)
    return StoredMessage(
        raw=raw,
        flags=frozenset(flags.group(1).decode().split() if flags else ()) - {"\\Recent"},
        received=WHEN,
        uid=int(uid.group(1)) if uid else None,
    )


def mail(
    number: int | str = 1,
    *,
    subject: str = "Hello",
    sender: str = "Jane Doe <jane@example.org>",
    date: str | None = "Mon, 19 Aug 2024 06:54:28 +0000",
    message_id: str | None = "",
    body: str = "Hello\r\n",
) -> bytes:
    """A message; its id is `<number@example.org>` unless another or None is given. Texts go as raw UTF-8."""
    lines = [f"From: {sender}", "To: bob@example.org", f"Subject: {subject}"]
    if date is not None:
        lines.append(f"Date: {date}")
    if message_id is not None:
        lines.append(f"Message-ID: {message_id or f'<{number}@example.org>'}")
    lines += [
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
