"""The version of each template.

Whoever changes a template raises its version here, and keeps it with `email-worker templates --publish`.
"""

from __future__ import annotations

VERSIONS: dict[str, int] = {
    "email": 5,
    "smtp.send": 4,
    "pop3.list": 4,
    "pop3.read": 4,
    "pop3.delete": 4,
    "pop3.search": 4,
    "imap.list": 4,
    "imap.read": 4,
    "imap.delete": 4,
    "imap.search": 4,
    "imap.move": 4,
    "imap.flag": 1,
    "imap.append": 2,
    "imap.folders": 1,
}
