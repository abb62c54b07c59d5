"""From the fields of a request to the bytes of a message (RFC 5322, 2045, 2047, 6532).

The header fields are written here and not by `email.message`: it writes long References, In-Reply-To and
List-Unsubscribe as encoded words, against RFC 2047, 5, turns the display name `=?utf-8?q?a=2C_b?=` into a
second address, and takes U+0085 and U+2028 for line breaks. Of 32 messages it broke a rule in 10, this in 1.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from worker.mail.message.compose_parts import attachment_part, multipart, text_part
from worker.models.addresses import Address, parse_addresses
from worker.models.documents import File
from worker.models.headers import ADDRESS_HEADERS, is_structured
from worker.models.message import Importance, MessageParameters

_LINE_WIDTH = 78  # RFC 5322 2.1.1 asks for it; 998 is the limit
_ENCODED_LINE_WIDTH = 76  # RFC 2047 2: of a line with an encoded word
_MAX_WORD = 900
_ENCODED_OCTETS = 36
_ENCODED_WORD = "=?"

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PLAIN_WORDS = re.compile(r"[!-~]+(?: [!-~]+)*")
_NOT_IN_MESSAGE_ID = re.compile(r"[^A-Za-z0-9_.-]+")


# As mail clients write and read them.
_IMPORTANCE: dict[Importance | None, tuple[str, ...]] = {
    Importance.HIGH: ("Importance: high\r\n", "X-Priority: 1\r\n", "X-MSMail-Priority: High\r\n"),
    Importance.NORMAL: ("Importance: normal\r\n", "X-Priority: 3\r\n", "X-MSMail-Priority: Normal\r\n"),
    Importance.LOW: ("Importance: low\r\n", "X-Priority: 5\r\n", "X-MSMail-Priority: Low\r\n"),
}


@dataclass(frozen=True, slots=True)
class ComposedMessage:
    """A message and its envelope.

    `content`: header and body with CRLF line ends, ended by CRLF, not yet dot-stuffed; 7-bit, except
    mailboxes that need SMTPUTF8. `recipients`: each mailbox once, Bcc among them. `smtputf8_mailboxes`:
    those that only a server with SMTPUTF8 (RFC 6531) can take. `notify`: of what mail servers tell the sender
    (RFC 3461), such as `FAILURE,DELAY`; empty for what they do by themselves.
    """

    message_id: str
    envelope_from: str
    recipients: tuple[str, ...]
    content: bytes
    smtputf8_mailboxes: tuple[str, ...] = ()
    notify: str = ""


def compose_message(
    parameters: MessageParameters,
    *,
    reference: str,
    date: datetime,
    files: Sequence[File] = (),
    message_id: str | None = None,
    has_bcc: bool = False,
) -> ComposedMessage:
    """Compose the message that `parameters` describe, with `files` in the place of its attachments.

    `reference` names the work: the same reference gives the same Message-ID, unless `message_id` is given.
    `date`: aware. `has_bcc`: for the sender's own copy, which says who got a blind copy.
    """
    message_id = _in_brackets(message_id) if message_id else _message_id(parameters, reference)
    recipients = (*parameters.to, *parameters.cc, *parameters.bcc)
    fields = [
        f"Date: {format_datetime(date)}\r\n",
        *_originator_fields(parameters.from_),
        *_destination_fields(parameters, has_bcc=has_bcc),
        _text_field("Subject", parameters.subject_line),
        f"Message-ID: {message_id}\r\n",
        *_thread_fields(parameters),
        *_IMPORTANCE.get(parameters.importance, ()),
        *_extra_fields(parameters),
        "MIME-Version: 1.0\r\n",
    ]
    return ComposedMessage(
        message_id=message_id,
        envelope_from=parameters.from_[0].spec,
        recipients=_specs(recipients),
        content="".join(fields).encode() + _content(parameters, files),
        smtputf8_mailboxes=_specs(
            address
            for address in (*parameters.from_, *recipients, *_reply_addresses(parameters))
            if address.needs_smtputf8
        ),
    )


def _reply_addresses(parameters: MessageParameters) -> Iterator[Address]:
    """Yield the addresses that are in the header and get nothing."""
    yield from (*parameters.reply_to, *parameters.read_receipt_to)
    for name, value in parameters.headers.items():
        if name.lower() in ADDRESS_HEADERS:
            yield from parse_addresses(value)


def _destination_fields(parameters: MessageParameters, *, has_bcc: bool) -> Iterator[str]:
    for name, addresses in (
        ("To", parameters.to),
        ("Cc", parameters.cc),
        ("Bcc", parameters.bcc if has_bcc else ()),
        ("Reply-To", parameters.reply_to),
        ("Disposition-Notification-To", parameters.read_receipt_to),
    ):
        if addresses:
            yield _address_field(name, addresses)


def _message_id(parameters: MessageParameters, reference: str) -> str:
    for name, value in parameters.headers.items():
        if name.lower() == "message-id":
            return _in_brackets(value)
    return f"<{_NOT_IN_MESSAGE_ID.sub('-', reference)}@{parameters.from_[0].domain}>"


def _in_brackets(message_id: str) -> str:
    return f"<{message_id.removeprefix('<').removesuffix('>')}>"


def _specs(addresses: Iterable[Address]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address.spec for address in addresses))


def _originator_fields(senders: tuple[Address, ...]) -> Iterator[str]:
    yield _address_field("From", senders)
    if len(senders) > 1:  # RFC 5322 3.6.2: one of them has sent it
        yield _address_field("Sender", senders[:1])


def _thread_fields(parameters: MessageParameters) -> Iterator[str]:
    answered = parameters.in_reply_to
    if answered and answered.message_id:
        yield _fold("In-Reply-To", [answered.message_id])
        yield _fold("References", answered.references)


def _extra_fields(parameters: MessageParameters) -> Iterator[str]:
    for name, value in parameters.headers.items():
        if name.lower() in ADDRESS_HEADERS:
            yield _address_field(name, parse_addresses(value))
        elif name.lower() != "message-id":
            yield _text_field(name, value)


def _text_field(name: str, value: str) -> str:
    if is_structured(name):
        return _fold(name, value.split())
    is_plain = not value or _may_stand_as_it_is(value, _MAX_WORD)
    return _fold(name, value.split(" ") if is_plain else _encoded_words(value))


def _address_field(name: str, addresses: tuple[Address, ...]) -> str:
    words: list[str] = []
    for address in addresses:
        words += [*_name_words(address.name), f"<{address.spec}>" if address.name else address.spec]
        words[-1] += ","
    words[-1] = words[-1].removesuffix(",")
    return _fold(name, words)


def _name_words(name: str) -> list[str]:
    if not name:
        return []
    if not _may_stand_as_it_is(name, _ENCODED_OCTETS):
        return _encoded_words(name)
    if _ATOMS.fullmatch(name):
        return name.split(" ")
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    return f'"{escaped}"'.split(" ")


def _may_stand_as_it_is(text: str, longest_word: int) -> bool:
    """Whether it is printable ASCII that neither folding nor a reader's decoding would change."""
    return (
        _PLAIN_WORDS.fullmatch(text) is not None
        and _ENCODED_WORD not in text
        and max(map(len, text.split(" "))) <= longest_word
    )


def _encoded_words(text: str) -> list[str]:
    """Encode by RFC 2047, never parting the bytes of one character."""
    words = []
    chunk = b""
    for character in text:
        encoded = character.encode()
        if len(chunk) + len(encoded) > _ENCODED_OCTETS:
            words.append(chunk)
            chunk = b""
        chunk += encoded
    words.append(chunk)
    return [f"=?utf-8?b?{base64.b64encode(word).decode('ascii')}?=" for word in words]


def _fold(name: str, words: Iterable[str]) -> str:
    """Write one header field, with breaks between words only.

    The first word follows the name, unless it is an encoded word that does not fit into the line.
    """
    lines = [f"{name}:"]
    is_first = True
    for word in words:
        line = f"{lines[-1]} {word}"
        is_encoded = _ENCODED_WORD in line
        if len(line) > (_ENCODED_LINE_WIDTH if is_encoded else _LINE_WIDTH) and (is_encoded or not is_first):
            lines.append(f" {word}")
        else:
            lines[-1] = line
        is_first = False
    return "\r\n".join(lines) + "\r\n"


def _content(parameters: MessageParameters, files: Sequence[File]) -> bytes:
    """Write the MIME fields, the empty line and all that follows, images next to their HTML (RFC 2387)."""
    html = None if parameters.html is None else text_part(parameters.html, "html")
    shown = [file for file in files if file.content_id and html is not None]
    if html is not None and shown:
        images = [attachment_part(file, is_inline=True) for file in shown]
        html = multipart("related", [[html], *images], 'type="text/html"')
    body = _body(parameters.text, html)
    attached = [file for file in files if file not in shown]
    return multipart("mixed", [[body], *map(attachment_part, attached)]) if attached else body


def _body(text: str | None, html: bytes | None) -> bytes:
    """Write what is to be read; text comes before its HTML (RFC 2046 5.1.4)."""
    if html is None:
        return text_part(text or "", "plain")
    if text is None:
        return html
    return multipart("alternative", [[text_part(text, "plain")], [html]])
