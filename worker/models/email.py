"""Results of the operations on mailboxes: emails and folders."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from operator import not_
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, SerializerFunctionWrapHandler, model_serializer

from worker.models.base import Result, is_none


class SortField(StrEnum):
    """What a list is sorted by."""

    RECEIVED_DATE = "RECEIVED_DATE"
    SENT_DATE = "SENT_DATE"
    SIZE = "SIZE"


class SortOrder(StrEnum):
    """Oldest or smallest first, or the other way round."""

    ASC = "ASC"
    DESC = "DESC"


def format_utc(moment: datetime) -> str:
    """Return a moment in ISO 8601, in UTC and whole seconds: `2024-08-19T06:54:28Z`."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


UtcDateTime = Annotated[datetime, PlainSerializer(format_utc, return_type=str, when_used="json")]


class ListedEmail(Result):
    """One row of a list. What the email lacks is null. `size` in octets."""

    message_id: str | None
    from_address: str | None
    subject: str | None
    size: int
    received_date_time: UtcDateTime | None
    sent_date: UtcDateTime | None


class FoundEmail(Result):
    """One hit of a search."""

    message_id: str | None
    subject: str | None


class ImapFacts(Result):
    """What IMAP tells of an email; left out if the server does not tell."""

    seen: bool | None = Field(default=None, exclude_if=is_none)
    flagged: bool | None = Field(default=None, exclude_if=is_none)
    has_attachments: bool | None = Field(default=None, exclude_if=is_none)


class ListedImapEmail(ImapFacts, ListedEmail):
    """One row of a list over IMAP."""


class FoundImapEmail(ImapFacts, FoundEmail):
    """One hit of a search over IMAP."""


class Smime(StrEnum):
    """What S/MIME (RFC 8551) has made of an email. The signature of a signed one is not checked."""

    SIGNED = "signed"
    ENCRYPTED = "encrypted"


class Header(Result):
    """One header field, decoded and unfolded."""

    header: str
    value: str


class Attachment(Result):
    """A file that came with an email. `size` in octets, decoded.

    `content_id`: by which the HTML shows it, without angle brackets. `reference`: the document, if it was
    stored. Its fields are in the attachment too: tasks that take a document take it.
    """

    name: str
    content_type: str
    size: int
    content_id: str | None = Field(default=None, exclude_if=is_none)
    reference: dict[str, Any] | None = Field(default=None, exclude_if=is_none)

    @model_serializer(mode="wrap")
    def _as_a_document_too(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {**(self.reference or {}), **serialize(self)}


class ReadEmail(Result):
    """A whole email. What it lacks is null. `size` in octets, as on the server.

    `truncated` is there only where a body or the header was cut to fit Camunda's message limit.
    `smime` is there only for S/MIME; the bodies of an encrypted email are null.
    """

    message_id: str | None
    from_address: str | None
    headers: tuple[Header, ...]
    subject: str | None
    size: int
    plain_text_body: str | None
    html_body: str | None
    received_date_time: UtcDateTime | None
    sent_date: UtcDateTime | None
    to_addresses: tuple[str, ...]
    cc_addresses: tuple[str, ...]
    attachments: tuple[Attachment, ...] = ()
    truncated: bool = Field(default=False, exclude_if=not_)
    smime: Smime | None = Field(default=None, exclude_if=is_none)


class DeletedEmail(Result):
    """The answer to a deletion."""

    deleted: bool
    message_id: str


class MovedEmail(Result):
    """The answer to a move, with both folders."""

    message_id: str
    from_folder: str = Field(alias="from")
    to_folder: str = Field(alias="to")


class FlaggedEmail(Result):
    """The flags of an email after they were set. `keywords` as the server writes them, in order."""

    message_id: str
    folder: str
    seen: bool
    flagged: bool
    answered: bool
    keywords: tuple[str, ...]


class AppendedEmail(Result):
    """Where the email is. `appended`: false if it was there already."""

    message_id: str
    folder: str
    appended: bool


class FolderRow(Result):
    """One folder. `messages` and `unread` are null for a folder of folders, or if the server does not tell.

    `special_use`: what it is for (RFC 6154), such as Sent with a backslash; null if the server does not tell.
    """

    name: str
    delimiter: str | None
    messages: int | None
    unread: int | None
    special_use: str | None
