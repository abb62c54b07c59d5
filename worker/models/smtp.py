"""Send an email: what the process gives, and what it gets back."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from worker.models.addresses import Address, AddressList, parse_addresses
from worker.models.authentication import OptionalAuthentication
from worker.models.base import Request, Result, Server
from worker.models.documents import Document, parse_documents
from worker.models.expectation import number_text, shown

# RFC 5322 3.6.8: printable ASCII but the colon.
_HEADER_NAME = re.compile(r"[!-9;-~]{1,70}")
_BREAKS_A_HEADER = re.compile(r"[\r\n\0]")
_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")
_ID = r"[!-;=?A-~]+@[!-;=?A-~]+"  # printable ASCII without <, > and @
_MESSAGE_ID = re.compile(rf"<{_ID}>|{_ID}")
_MAX_MESSAGE_ID = 250

# What the worker writes itself, or the servers on the way: a second one would contradict the first.
_WRITTEN_BY_FIELD = {"from": "from", "to": "to", "cc": "cc", "bcc": "bcc", "subject": "subject"}
_WRITTEN_BY_WORKER = frozenset({"sender", "date", "mime-version", "received", "return-path"})
_RESERVED_PREFIXES = ("content-", "resent-")
# Fields of which programs read each word (RFC 2047 5: no encoded words there), beside List-*.
_STRUCTURED_HEADERS = frozenset(
    {
        *(
            "archived-at",
            "auto-submitted",
            "autocrypt",
            "expires",
            "feedback-id",
            "importance",
            "in-reply-to",
        ),
        *("message-context", "mt-priority", "obsoletes", "precedence", "priority", "references"),
        *(
            "reply-by",
            "sensitivity",
            "supersedes",
            "tls-required",
            "x-auto-response-suppress",
            "x-msmail-priority",
        ),
        "x-priority",
    }
)
_FOLDING = re.compile(r"\r?\n[ \t]+")
_PRINTABLE_WORDS = re.compile(r"[!-~]{1,900}(?:[ \t]+[!-~]{1,900})*")
_BODIES = {"body": "body", "html_body": "htmlBody"}
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

    may_be_empty = frozenset({"subject", "body", "htmlBody"})

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

    @field_validator("subject", "body", "html_body", mode="before")
    @classmethod
    def _has_whole_characters(cls, text: Any) -> Any:
        if isinstance(text, str) and _HALF_CHARACTER.search(text):
            raise ValueError("may not hold half a character (a lone surrogate)")
        return text

    @field_validator("headers", mode="before")
    @classmethod
    def _are_texts(cls, headers: Any) -> Any:
        if not isinstance(headers, dict):
            return headers
        texts = {name: _header_text(name, value) for name, value in headers.items() if not _is_blank(value)}
        # "Reply-To" may be an empty list of addresses, as "cc" may.
        return {
            name: text
            for name, text in texts.items()
            if name.lower() not in ADDRESS_HEADERS or text.strip(", ")
        }

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
            raise ValueError("must hold at least one address, found none")
        return senders

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


def is_structured(name: str) -> bool:
    """Whether a header field is made of words that programs read, and is not a text for people."""
    return name.lower() in _STRUCTURED_HEADERS or name.lower().startswith("list-")


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
        # As a field of another email may hold it, folded; elsewhere a line break is a slip or an attack.
        return (_FOLDING.sub(" ", value) if is_structured(str(name)) else value).strip(" \t")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must hold texts and numbers only, but {name!r} is something else")  # noqa: TRY004 - pydantic reports ValueError
    return number_text(value)


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
    if is_structured(name) and not _PRINTABLE_WORDS.fullmatch(value):
        raise ValueError(f"may hold printable ASCII characters only in {name}, found {shown(value, 80)}")


def _check_message_id(value: str) -> None:
    if len(value) > _MAX_MESSAGE_ID or not _MESSAGE_ID.fullmatch(value):
        raise ValueError(f"must have a Message-ID such as <unique@example.com>, found {value[:80]!r}")


def _check_addresses(name: str, value: str) -> None:
    try:
        parse_addresses(value)
    except ValueError as error:
        raise ValueError(f"are refused because {name} {error}") from error


def _check_null(parameters: SendParameters) -> None:
    """Refuse a null where a text is needed: an email without it is not what the process means to send."""
    if parameters.content_type is ContentType.HTML and parameters.html is not None:
        return
    needed = {"body": "body"} if parameters.content_type is ContentType.PLAIN else _BODIES
    for name, alias in needed.items():
        if name in parameters.model_fields_set and getattr(parameters, name) is None:
            raise ValueError(f"has a fault: {alias} is null: its expression gave nothing")


def _check_plain(parameters: SendParameters) -> None:
    if parameters.body is None and not parameters.attachments:
        raise ValueError("must have a body or attachments when contentType is PLAIN")
    if parameters.html_body:
        raise ValueError("may have an htmlBody only when contentType is HTML or MULTIPART")


def _check_html(parameters: SendParameters) -> None:
    if parameters.body is None and parameters.html_body is None:
        raise ValueError("must have an htmlBody when contentType is HTML")
    if parameters.body and parameters.html_body:
        raise ValueError("may not have both body and htmlBody when contentType is HTML; MULTIPART sends both")
