"""An email to be written: what the process gives of its header, its text and its files."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from worker.models.addresses import Address, AddressList
from worker.models.answer import AnsweredEmail
from worker.models.base import Request
from worker.models.bounds import ATTACHMENTS, BODY_CHARACTERS, SUBJECT_CHARACTERS
from worker.models.documents import Document, parse_documents
from worker.models.headers import read_headers
from worker.models.texts import check_line

# Also as mail clients write "Re:" in German, Scandinavian and Dutch, and count it.
_SECOND_RE = re.compile(r"^\s*(?:(?:re|aw|sv|antw)(?:\[\d{1,3}\])?\s*:\s*){2,}", re.IGNORECASE)
_BODIES = {"body": "body", "html_body": "htmlBody"}
# The field of the request that writes a header field.
_FIELD_OF_HEADER = {
    "reply-to": "reply_to",
    "in-reply-to": "in_reply_to",
    "references": "in_reply_to",
    "importance": "importance",
    "x-priority": "importance",
    "x-msmail-priority": "importance",
    "disposition-notification-to": "read_receipt_to",
}


class ContentType(StrEnum):
    """PLAIN: only text. HTML: only HTML. MULTIPART: both, the recipient's mail client chooses."""

    PLAIN = "PLAIN"
    HTML = "HTML"
    MULTIPART = "MULTIPART"


def _read_documents(value: Any) -> Any:
    documents = parse_documents(value)
    if len(documents) > ATTACHMENTS:
        raise ValueError(f"must have at most {ATTACHMENTS:,} documents")
    return documents


Documents = Annotated[
    tuple[Document, ...],
    PlainValidator(_read_documents),
    WithJsonSchema({"type": "array", "items": {"type": "object"}}),
]


class Importance(StrEnum):
    """The importance set by the sender."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class MessageParameters(Request):
    """The message itself: its header fields, its text and its files."""

    may_be_empty = frozenset({"subject", "body", "htmlBody"})

    from_: AddressList = Field(alias="from", title="From", examples=["Orders <orders@example.com>"])
    """The sender, with or without a name. Your mail server may require the address of the account."""
    to: AddressList = Field(default=(), title="To", examples=["jane@example.com, Joe Doe <joe@example.com>"])
    """One address, several with commas between them, or a list such as `=[buyer.email,
    "joe@example.com"]`. At least one of To, Cc and Bcc is required."""
    cc: AddressList = Field(default=(), title="Cc", examples=["sales@example.com"])
    """Recipients of a copy, visible to all. Same format as To."""
    bcc: AddressList = Field(default=(), title="Bcc", examples=["archive@example.com"])
    """Recipients of a copy, hidden from the others. Same format as To."""
    reply_to: AddressList = Field(default=(), title="Reply to", examples=["desk@example.com"])
    """Address for replies, if it is not the sender. Same format as To."""
    in_reply_to: AnsweredEmail | None = Field(default=None, title="In reply to", examples=["=email"])
    """The email that this one answers: its Message-ID, or the whole result of reading it, as `=email`.
    Mail clients show both in one thread."""
    headers: dict[str, str] = Field(
        default_factory=dict, title="More headers", examples=[{"X-Order": "4711"}]
    )
    """A context of further header fields, such as `{"X-Order": "4711"}`. Refused: Subject, Date, the
    addresses above, and headers that mail servers write."""
    subject: str = Field(
        max_length=SUBJECT_CHARACTERS, title="Subject", examples=["Your order is on its way"]
    )
    """The subject, a single line."""
    content_type: ContentType = Field(default=ContentType.PLAIN, title="Format")
    """With both, the recipient's mail client picks the format it supports."""
    body: str | None = Field(
        default=None, max_length=BODY_CHARACTERS, title="Text", examples=["Good morning, …"]
    )
    """The text of the email. Insert variables with FEEL: `="Dear " + customer.name + ", it is on its
    way."`"""
    html_body: str | None = Field(
        default=None, max_length=BODY_CHARACTERS, title="HTML", examples=["<p>Good morning, …</p>"]
    )
    """The HTML of the email. Insert variables with FEEL: `="<p>Dear " + customer.name + "</p>"`"""

    attachments: Documents = Field(default=(), title="Attachments", examples=["[invoice]"])
    """A list of documents, such as `[invoice]`. A form's file field or reading an email gives them. With
    `contentId`, as in `[context put(logo, "contentId", "logo")]`, the HTML shows it by `<img
    src="cid:logo">`. The worker must know the document store (`ZEEBE_REST_ADDRESS`)."""
    importance: Importance | None = Field(default=None, title="Importance")
    """How mail clients mark the email."""
    read_receipt_to: AddressList = Field(default=(), title="Read receipt to", examples=["desk@example.com"])
    """Address that is notified of the reading, if the recipient's mail client agrees."""

    @field_validator("subject")
    @classmethod
    def _is_one_line(cls, subject: str) -> str:
        return check_line(subject)

    @field_validator("headers", mode="before")
    @classmethod
    def _are_sound(cls, headers: Any) -> Any:
        return read_headers(headers) if isinstance(headers, dict) else headers

    @field_validator("importance", mode="before")
    @classmethod
    def _in_small_letters(cls, importance: Any) -> Any:
        return importance.strip().lower() if isinstance(importance, str) else importance

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        _check_given_once(self)
        _check_null(self)
        if self.content_type is ContentType.PLAIN:
            _check_plain(self)
        elif self.content_type is ContentType.HTML:
            _check_html(self)
        elif self.body is None or self.html_body is None:
            raise ValueError("must have both body and htmlBody when contentType is MULTIPART")
        return self

    @field_validator("from_")
    @classmethod
    def _has_sender(cls, senders: tuple[Address, ...]) -> tuple[Address, ...]:
        if not senders:
            raise ValueError("must contain at least one address, found none")
        return senders

    @property
    def subject_line(self) -> str:
        """The subject; that of an answer has one "Re:" at most (RFC 5322 3.6.5)."""
        return _SECOND_RE.sub("Re: ", self.subject) if self.in_reply_to else self.subject

    @property
    def text(self) -> str | None:
        """What is sent as text/plain."""
        return None if self.content_type is ContentType.HTML else self.body

    @property
    def html(self) -> str | None:
        """What is sent as text/html."""
        if self.content_type is ContentType.PLAIN:
            return None
        if self.content_type is ContentType.HTML:
            return self.html_body or self.body or self.html_body
        return self.html_body


def _check_given_once(parameters: MessageParameters) -> None:
    for name in parameters.headers:
        field = _FIELD_OF_HEADER.get(name.lower())
        if field and getattr(parameters, field):
            alias = MessageParameters.model_fields[field].alias
            raise ValueError(f"must not have both {alias} and the header {name}")


def _check_null(parameters: MessageParameters) -> None:
    """Refuse a null where a text is needed: an email without it is not what the process means to send."""
    if parameters.content_type is ContentType.HTML and parameters.html is not None:
        return
    needed = {"body": "body"} if parameters.content_type is ContentType.PLAIN else _BODIES
    for name, alias in needed.items():
        if name in parameters.model_fields_set and getattr(parameters, name) is None:
            raise ValueError(f"has a fault: {alias} is null: its expression gave nothing")


def _check_plain(parameters: MessageParameters) -> None:
    if parameters.body is None and not parameters.attachments:
        raise ValueError("must have a body or attachments when contentType is PLAIN")
    if parameters.html_body:
        raise ValueError("may have an htmlBody only when contentType is HTML or MULTIPART")


def _check_html(parameters: MessageParameters) -> None:
    if parameters.body is None and parameters.html_body is None:
        raise ValueError("must have an htmlBody when contentType is HTML")
    if parameters.body and parameters.html_body:
        raise ValueError("may not have both body and htmlBody when contentType is HTML; MULTIPART sends both")
