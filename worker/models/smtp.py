"""Send an email: what the process gives, and what it gets back."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from worker.models.addresses import AddressList, parse_addresses
from worker.models.base import OptionalAuthentication, Request, Result, Server
from worker.models.documents import Document, parse_documents

# RFC 5322 3.6.8: printable ASCII but the colon.
_HEADER_NAME = re.compile(r"[!-9;-~]{1,70}")
_BREAKS_A_HEADER = re.compile(r"[\r\n\0]")
_ID = r"[!-;=?A-~]+@[!-;=?A-~]+"  # printable ASCII without <, > and @
_MESSAGE_ID = re.compile(rf"<{_ID}>|{_ID}")
_MAX_MESSAGE_ID = 250

# What the worker writes itself, or the servers on the way: a second one would contradict the first.
_WRITTEN_BY_FIELD = {"from": "from", "to": "to", "cc": "cc", "bcc": "bcc", "subject": "subject"}
_WRITTEN_BY_WORKER = frozenset({"sender", "date", "mime-version", "received", "return-path"})
_RESERVED_PREFIXES = ("content-", "resent-")
ADDRESS_HEADERS = frozenset({"reply-to", "disposition-notification-to"})


class ContentType(StrEnum):
    """PLAIN: text alone. HTML: HTML alone. MULTIPART: both, the reader's program chooses."""

    PLAIN = "PLAIN"
    HTML = "HTML"
    MULTIPART = "MULTIPART"


def _read_documents(value: Any) -> Any:
    return parse_documents(value)


Documents = Annotated[
    tuple[Document, ...],
    PlainValidator(_read_documents),
    WithJsonSchema({"type": "array", "items": {"type": "object"}}),
]


class SendParameters(Request):
    """The email to send."""

    from_: AddressList = Field(
        alias="from",
        title="From",
        description="The sender, with or without a name. Your mail server may insist on the address you sign"
        " in with.",
        examples=["Orders <orders@example.com>"],
    )
    to: AddressList = Field(
        default=(),
        title="To",
        description="One address, several with commas between them, or a list such as"
        ' `=[buyer.email, "joe@example.com"]`. To, Cc or Bcc must name someone.',
        examples=["jane@example.com, Joe Doe <joe@example.com>"],
    )
    cc: AddressList = Field(
        default=(),
        title="Cc",
        description="Who gets a copy, seen by all. Written as in To.",
        examples=["sales@example.com"],
    )
    bcc: AddressList = Field(
        default=(),
        title="Bcc",
        description="Who gets a copy that the others do not see. Written as in To.",
        examples=["archive@example.com"],
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        title="More headers",
        description='A context of further header fields, such as `{"Reply-To": "desk@example.com"}`. Subject,'
        " Date, the addresses above and what mail servers write are refused here.",
        examples=[{"Reply-To": "desk@example.com"}],
    )
    subject: str = Field(
        title="Subject",
        description="A single line, what the reader sees first.",
        examples=["Your order is on its way"],
    )
    content_type: ContentType = Field(
        default=ContentType.PLAIN,
        title="Format",
        description="With both, the reader's mail program shows the one that it can.",
    )
    body: str | None = Field(
        default=None,
        title="Text",
        description="The text of the email. Variables come in with FEEL:"
        ' `="Dear " + customer.name + ", it is on its way."`',
        examples=["Good morning, …"],
    )
    html_body: str | None = Field(
        default=None,
        title="HTML",
        description="The HTML of the email. Variables come in with FEEL:"
        ' `="<p>Dear " + customer.name + "</p>"`',
        examples=["<p>Good morning, …</p>"],
    )

    attachments: Documents = Field(
        default=(),
        title="Attachments",
        description="A list of documents, as a form's file field or another connector gives them, such as"
        " `[invoice]`. The worker must know the document store (`ZEEBE_REST_ADDRESS`).",
        examples=["[invoice]"],
    )

    @field_validator("subject")
    @classmethod
    def _is_one_line(cls, subject: str) -> str:
        if _BREAKS_A_HEADER.search(subject):
            raise ValueError("may not hold a line break or NUL")
        return subject

    @field_validator("headers", mode="before")
    @classmethod
    def _are_texts(cls, headers: Any) -> Any:
        if not isinstance(headers, dict):
            return headers
        return {name: _header_text(name, value) for name, value in headers.items() if not _is_blank(value)}

    @field_validator("headers")
    @classmethod
    def _are_sound(cls, headers: dict[str, str]) -> dict[str, str]:
        seen: set[str] = set()
        for name, value in headers.items():
            _check_header(name, value)
            if name.lower() in seen:
                raise ValueError(f"must hold {name} once, whatever the case of its letters")
            seen.add(name.lower())
        return headers

    @model_validator(mode="after")
    def _has_recipient_and_content(self) -> Self:
        if not (self.to or self.cc or self.bcc):
            raise ValueError("must name at least one recipient in to, cc or bcc")
        if self.content_type is ContentType.PLAIN:
            _check_plain(self)
        elif self.content_type is ContentType.HTML:
            _check_html(self)
        elif self.body is None or self.html_body is None:
            raise ValueError("must have both body and htmlBody when contentType is MULTIPART")
        return self

    @property
    def text(self) -> str | None:
        """What is sent as text/plain."""
        return None if self.content_type is ContentType.HTML else self.body

    @property
    def html(self) -> str | None:
        """What is sent as text/html."""
        if self.content_type is ContentType.HTML:
            return self.html_body or self.body
        return self.html_body


class SendRequest(Request):
    """The variables of email.smtp.send."""

    authentication: OptionalAuthentication
    server: Server
    parameters: SendParameters


class RefusedRecipient(Result):
    """A recipient that the server did not take, with its answer."""

    address: str
    code: int
    message: str


class Refusal(Result):
    """Why the server did not take the message: its reply code and text."""

    code: int
    message: str


def _is_none(value: Any) -> bool:
    return value is None


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip(" \t"))


class SendResult(Result):
    """What became of the email."""

    subject: str = Field(description="The subject of the email.")
    sent: bool = Field(description="Whether the server took the email for at least one recipient.")
    message_id: str = Field(description="The Message-ID under which the recipients find it.")
    refused_recipients: list[RefusedRecipient] | None = Field(
        default=None,
        exclude_if=_is_none,
        description="The recipients that the server did not take, each with the server's code and message.",
    )
    error: Refusal | None = Field(
        default=None, exclude_if=_is_none, description="Why the server did not take the email."
    )


def _header_text(name: Any, value: Any) -> str:
    if isinstance(value, str):
        return value.strip(" \t")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must hold texts and numbers only, but {name!r} is something else")  # noqa: TRY004 - pydantic reports ValueError
    return str(int(value)) if float(value).is_integer() else str(value)


def _check_header(name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError(f"must have names of printable ASCII characters without colon, found {name[:80]!r}")
    if _BREAKS_A_HEADER.search(value):
        raise ValueError(f"may not hold a line break or NUL, but {name} does")
    lowered = name.lower()
    if lowered in _WRITTEN_BY_FIELD:
        raise ValueError(f"may not hold {name}: use the field {_WRITTEN_BY_FIELD[lowered]}")
    if lowered in _WRITTEN_BY_WORKER or lowered.startswith(_RESERVED_PREFIXES):
        raise ValueError(f"may not hold {name}: the worker or the mail servers write it")
    if lowered == "message-id":
        _check_message_id(value)
    if lowered in ADDRESS_HEADERS:
        _check_addresses(name, value)


def _check_message_id(value: str) -> None:
    if len(value) > _MAX_MESSAGE_ID or not _MESSAGE_ID.fullmatch(value):
        raise ValueError(f"must have a Message-ID such as <unique@example.com>, found {value[:80]!r}")


def _check_addresses(name: str, value: str) -> None:
    try:
        parse_addresses(value)
    except ValueError as error:
        raise ValueError(f"are refused because {name} {error}") from error


def _check_plain(parameters: SendParameters) -> None:
    if parameters.body is None:
        raise ValueError("must have a body when contentType is PLAIN")
    if parameters.html_body is not None:
        raise ValueError("may have an htmlBody only when contentType is HTML or MULTIPART")


def _check_html(parameters: SendParameters) -> None:
    if parameters.body is None and parameters.html_body is None:
        raise ValueError("must have an htmlBody when contentType is HTML")
    if parameters.body is not None and parameters.html_body is not None:
        raise ValueError("may not have both body and htmlBody when contentType is HTML; MULTIPART sends both")
