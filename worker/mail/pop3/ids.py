"""Ids of emails in a POP3 mailbox: their Message-ID, or one that is made from the unique id."""

from __future__ import annotations

from dataclasses import dataclass

from worker.mail.message.parse import normalize_message_id
from worker.mail.pop3.memory import OWN_PREFIX, KnownEmail


@dataclass(frozen=True, slots=True)
class WantedId:
    """The id by which somebody asks for an email: `text` as it was given.

    One of `uid`, the unique id (UIDL, RFC 1939) in an id of the worker's, and `key`, a Message-ID in the
    form to compare, is not None.
    """

    text: str
    uid: str | None
    key: str | None

    def names(self, mail: KnownEmail) -> bool:
        """Tell whether this is the email's id."""
        if self.uid is not None:
            return mail.uid == self.uid
        return bool(self.key) and mail.message_id_key == self.key


def read_id(text: str) -> WantedId:
    """Read an id: `pop3:` and a unique id, or a Message-ID; angle brackets or none."""
    inner = text.strip()
    if inner.startswith("<") and inner.endswith(">"):
        inner = inner[1:-1]
    if inner.startswith(OWN_PREFIX):
        return WantedId(text, uid=inner.removeprefix(OWN_PREFIX), key=None)
    return WantedId(text, uid=None, key=normalize_message_id(text))
