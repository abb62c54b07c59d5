"""Put an email into a folder over IMAP, such as a copy of what was sent, or a draft."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from worker.models.addresses import AddressList
from worker.models.headers import check_message_id
from worker.models.imap import FLAGS, REFUSED_FLAGS, SYSTEM_FLAGS, Folder, Keyword
from worker.models.mailbox import MailboxRequest, MessageId
from worker.models.message import MessageParameters
from worker.models.texts import read_words


def _without_backslash(flag: Any) -> Any:
    """Return a flag of the protocol without the backslash that it may be written with."""
    name = flag[1:] if isinstance(flag, str) and flag.startswith("\\") else ""
    return name if name.lower() in FLAGS else flag


class AppendParameters(MessageParameters):
    """The message, and where it goes."""

    to: AddressList = Field(default=(), title="To", examples=["jane@example.com, Joe Doe <joe@example.com>"])
    """One address, several with commas between them, or a list such as `=[buyer.email,
    "joe@example.com"]`. A draft needs none."""
    folder: Folder = Field(title="Folder", examples=["Sent"])
    """Where to put the email. A folder that does not exist yet is created."""
    message: MessageId | None = Field(default=None, title="Message-ID", examples=["=mail.messageId"])
    """Message-ID of the email just sent, as `=mail.messageId`: the copy gets the same one. If it is in
    the folder already, nothing is added."""
    seen: bool = Field(default=True, title="Mark as read")
    """Whether the email is marked as read."""
    flags: tuple[Keyword, ...] = Field(default=(), title="Flags", examples=["Draft"])
    """`Draft`, `Flagged`, `Answered` or your own keywords, separated by commas or as a list."""

    @field_validator("flags", mode="before")
    @classmethod
    def _are_words(cls, flags: Any) -> Any:
        words = read_words(flags)
        return [_without_backslash(word) for word in words] if isinstance(words, list) else words

    @field_validator("flags")
    @classmethod
    def _may_be_set(cls, flags: tuple[str, ...]) -> tuple[str, ...]:
        for flag in flags:
            if flag.lower() in REFUSED_FLAGS:
                raise ValueError(
                    f"must be Draft, Flagged, Answered, Seen or your own keywords; found {flag!r}"
                )
        return flags

    @field_validator("message")
    @classmethod
    def _is_a_message_id(cls, message: str | None) -> str | None:
        if message is not None:
            check_message_id(message)
        return message

    @property
    def all_flags(self) -> tuple[str, ...]:
        """The flags as the protocol writes them."""
        given = [SYSTEM_FLAGS.get(flag.lower(), flag) for flag in self.flags]
        return tuple(dict.fromkeys([*((r"\Seen",) if self.seen else ()), *given]))


AppendRequest = MailboxRequest[AppendParameters]
