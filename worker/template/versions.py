"""The version of each template. Whoever changes a published template raises its version here."""

from __future__ import annotations

VERSIONS: dict[str, int] = {
    "email": 1,
    "smtp.send": 1,
    "pop3.list": 1,
    "pop3.read": 1,
    "pop3.delete": 1,
    "pop3.search": 1,
    "imap.list": 1,
    "imap.read": 1,
    "imap.delete": 1,
    "imap.search": 1,
    "imap.move": 1,
}
