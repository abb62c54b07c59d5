"""The version of each template.

Whoever changes a template raises its version here, and keeps it with `email-worker templates --publish`.
"""

from __future__ import annotations

VERSIONS: dict[str, int] = {
    "email": 2,
    "smtp.send": 2,
    "pop3.list": 2,
    "pop3.read": 2,
    "pop3.delete": 2,
    "pop3.search": 2,
    "imap.list": 2,
    "imap.read": 2,
    "imap.delete": 2,
    "imap.search": 2,
    "imap.move": 2,
}
