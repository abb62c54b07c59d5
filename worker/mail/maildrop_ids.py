"""Ids of mails in a POP3 maildrop: the Message-ID of their header, and one of ours from the unique id."""

from __future__ import annotations

from dataclasses import dataclass

from worker.mail.maildrop_memory import KnownMail
from worker.mail.parse import normalize_message_id

_OWN_PREFIX = "pop3:"


@dataclass(frozen=True, slots=True)
class WantedId:
    """The id by which somebody asks for a mail, as it was given.

    An id of ours is `pop3:` and the unique id (UIDL, RFC 1939) of the mail; anything else is a
    Message-ID, with or without angle brackets.
    """

    text: str

    @property
    def uid(self) -> str | None:
        """The unique id in an id of ours, else None."""
        text = self.text.strip()
        if text.startswith("<") and text.endswith(">"):
            text = text[1:-1]
        return text.removeprefix(_OWN_PREFIX) if text.startswith(_OWN_PREFIX) else None

    @property
    def key(self) -> str | None:
        """The Message-ID in the form to compare; None in an id of ours."""
        return normalize_message_id(self.text) if self.uid is None else None

    def names(self, mail: KnownMail) -> bool:
        """Tell whether this is the mail's id."""
        if self.uid is not None:
            return mail.uid == self.uid
        return bool(self.key) and mail.message_id_key == self.key


def own_id(mail: KnownMail) -> str:
    """Return the id of ours."""
    return f"{_OWN_PREFIX}{mail.uid}"


def has_foreign_id(mail: KnownMail) -> bool:
    """Tell whether the mail has a Message-ID that nobody could take for an id of ours."""
    return mail.message_id_key is not None and not mail.message_id_key.startswith(_OWN_PREFIX)
