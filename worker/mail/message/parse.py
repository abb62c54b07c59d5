"""Emails as they really are: one reader for IMAP and POP3 that has an answer to any bytes.

Every text that comes out of here can be written as JSON: no NUL, no lone surrogate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from worker.mail.message.parse_addresses import read_addresses
from worker.mail.message.parse_bodies import Bodies, read_bodies, searchable_texts_of
from worker.mail.message.parse_dates import read_received_date, read_written_date
from worker.mail.message.parse_fields import Field, first_value, read_fields, unfold, values_of
from worker.mail.message.parse_parameters import read_parameters
from worker.mail.message.parse_smime import open_message, with_line_feeds
from worker.mail.message.parse_words import decode_words
from worker.models.email import Header, ReadEmail, Smime

_BRACKETED = re.compile(r"<([^<>]*)>")


@dataclass(frozen=True, slots=True)
class ParsedHeaders:
    """What lists and searches need of a header block; None or empty where the email has no such field.

    `message_id` is the field as it stands, unfolded. Addresses are bare (`a@example.com`), `from_address` is
    the first sender's; `from_text` is the From field decoded, with the names. Dates are in UTC;
    `received_date` is of the topmost Received; `sent_day` is the day as the sender has written it.
    """

    message_id: str | None
    from_address: str | None
    from_text: str
    to_addresses: tuple[str, ...]
    cc_addresses: tuple[str, ...]
    subject: str | None
    sent_date: datetime | None
    sent_day: date | None
    received_date: datetime | None


def parse_email(raw: bytes) -> ReadEmail:
    """Read a whole email; any bytes give a result. Attachments are not decoded.

    The bodies have line feeds as line ends. `received_date_time` is that of the topmost Received field.
    """
    message = open_message(raw)
    fields = message.structure.fields
    is_readable = message.smime is not Smime.ENCRYPTED
    bodies = read_bodies(message.raw, message.structure) if is_readable else Bodies(None, None, is_cut=False)
    charset = _charset_of(fields)
    summary = _summarize(fields, charset)
    return ReadEmail(
        message_id=summary.message_id,
        from_address=summary.from_address,
        headers=tuple(Header(header=name, value=value) for name, value in _decode_fields(fields, charset)),
        subject=summary.subject,
        size=len(raw),
        plain_text_body=bodies.plain,
        html_body=bodies.html,
        received_date_time=summary.received_date,
        sent_date=summary.sent_date,
        to_addresses=summary.to_addresses,
        cc_addresses=summary.cc_addresses,
        truncated=bodies.is_cut or message.structure.is_cut,
        smime=message.smime,
    )


def parse_headers(raw_header_block: bytes) -> ParsedHeaders:
    """Read a header block alone, such as TOP 0 or BODY[HEADER.FIELDS (...)] gives it."""
    fields = read_fields(with_line_feeds(raw_header_block)).fields
    return _summarize(fields, _charset_of(fields))


def read_header_fields(raw_header_block: bytes) -> tuple[tuple[str, str], ...]:
    """Return lower-case name and decoded value of each header field of a header block or a whole email."""
    fields = read_fields(with_line_feeds(raw_header_block)).fields
    return tuple((name.lower(), value) for name, value in _decode_fields(fields, _charset_of(fields)))


def searchable_texts(raw: bytes) -> Iterator[str]:
    """Yield the decoded text parts of an email one by one, those of attached messages and files too."""
    message = open_message(raw)
    return searchable_texts_of(message.raw, message.structure)


def normalize_message_id(text: str) -> str:
    """Return the form in which message ids are compared: no angle brackets, comments or white space.

    An id written as encoded words is the one that they stand for.
    """
    if "=?" in text:
        text = decode_words(text.encode("utf-8", "replace"))
    bracketed = _BRACKETED.search(text)
    return "".join((bracketed[1] if bracketed else text).split()).strip("<>")


def _decode_fields(fields: tuple[Field, ...], charset: str | None) -> Iterator[tuple[str, str]]:
    for field in fields:
        yield decode_words(field.name, charset), decode_words(unfold(field.value), charset)


def _charset_of(fields: tuple[Field, ...]) -> str | None:
    """Return the charset of the body: fields beyond ASCII that are not encoded are in that."""
    if all(field.value.isascii() and field.name.isascii() for field in fields):  # nearly always
        return None
    return read_parameters(first_value(fields, b"content-type") or b"").get("charset")


def _summarize(fields: tuple[Field, ...], charset: str | None) -> ParsedHeaders:
    subject = first_value(fields, b"subject")
    sent = read_written_date(first_value(fields, b"date") or b"")
    return ParsedHeaders(
        message_id=_read_message_id(first_value(fields, b"message-id") or b""),
        from_address=next(iter(_addresses(fields, b"from")), None),
        from_text=", ".join(decode_words(value, charset) for value in values_of(fields, b"from")),
        to_addresses=_addresses(fields, b"to"),
        cc_addresses=_addresses(fields, b"cc"),
        subject=None if subject is None else decode_words(subject, charset),
        sent_date=sent and sent.astimezone(UTC),
        sent_day=sent and sent.date(),
        received_date=read_received_date(first_value(fields, b"received") or b""),
    )


def _read_message_id(value: bytes) -> str | None:
    text = decode_words(value)
    return text if normalize_message_id(text) else None


def _addresses(fields: tuple[Field, ...], name: bytes) -> tuple[str, ...]:
    return tuple(address for value in values_of(fields, name) for address in read_addresses(value))
