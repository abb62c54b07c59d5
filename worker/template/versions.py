"""The version of each template.

Whoever changes a template raises its version here, and keeps it with `email-worker templates --publish`.
"""

from __future__ import annotations

VERSIONS: dict[str, int] = {
    "email": 3,
    "smtp.send": 3,
    "pop3.list": 3,
    "pop3.read": 3,
    "pop3.delete": 3,
    "pop3.search": 3,
    "imap.list": 3,
    "imap.read": 3,
    "imap.delete": 3,
    "imap.search": 3,
    "imap.move": 3,
}
