"""Ids of mails in a POP3 maildrop: the Message-ID of their header, and one of ours from the unique id."""

from __future__ import annotations

from dataclasses import dataclass

from worker.mail.maildrop_memory import KnownMail
from worker.mail.parse import normalize_message_id

_OWN_PREFIX = "pop3:"


@dataclass(frozen=True, slots=True)
class WantedId:
    """The id by which somebody asks for a mail: `text` as it was given.

    Either `uid`, the unique id (UIDL, RFC 1939) in an id of ours, or `key`, a Message-ID in the form to
    compare, is not None.
    """

    text: str
    uid: str | None
    key: str | None

    def names(self, mail: KnownMail) -> bool:
        """Tell whether this is the mail's id."""
        if self.uid is not None:
            return mail.uid == self.uid
        return bool(self.key) and mail.message_id_key == self.key


def read_id(text: str) -> WantedId:
    """Read an id: `pop3:` and a unique id, or a Message-ID; angle brackets or none."""
    inner = text.strip()
    if inner.startswith("<") and inner.endswith(">"):
        inner = inner[1:-1]
    if inner.startswith(_OWN_PREFIX):
        return WantedId(text, uid=inner.removeprefix(_OWN_PREFIX), key=None)
    return WantedId(text, uid=None, key=normalize_message_id(text))


def own_id(mail: KnownMail) -> str:
    """Return the id of ours."""
    return f"{_OWN_PREFIX}{mail.uid}"


def has_foreign_id(mail: KnownMail) -> bool:
    """Tell whether the mail has a Message-ID that nobody could take for an id of ours."""
    return mail.message_id_key is not None and not mail.message_id_key.startswith(_OWN_PREFIX)
