"""The files that come with an email, decoded one at a time and only when somebody asks."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator

from worker.mail.message.parse_bodies import shown_parts
from worker.mail.message.parse_charsets import to_json_text
from worker.mail.message.parse_encodings import decode_transfer_encoding, decoded_size
from worker.mail.message.parse_smime import open_message
from worker.mail.message.parse_structure import Part, Structure
from worker.mail.message.parse_words import decode_words
from worker.models.documents import CONTENT_ID, File
from worker.models.email import Attachment

_MAX_NAME = 200
_NOT_IN_NAME = re.compile(r"[\x00-\x1f\x7f]")
# Only of the standard library: what the machine knows in addition differs between machines.
_TYPES = mimetypes.MimeTypes()
_TYPES.add_type("message/rfc822", ".eml")
_TYPES.add_type("message/global", ".eml")
_TYPES.add_type("text/calendar", ".ics")


def read_attachments(raw: bytes) -> Iterator[File]:
    """Yield the parts that are not displayed text: attached files, inline images, attached messages.

    An attached message is one file. A part without a file name gets one by its number.
    """
    message = open_message(raw)
    for number, part in enumerate(_attached(message.structure), start=1):
        content = decode_transfer_encoding(message.raw[part.start : part.end], part.encoding)
        yield File(_name(part, number), part.content_type, content, _content_id(part))


def list_attachments(raw: bytes) -> Iterator[Attachment]:
    """Yield what `read_attachments` does, without the content."""
    message = open_message(raw)
    for number, part in enumerate(_attached(message.structure), start=1):
        yield Attachment(
            name=_name(part, number),
            content_type=part.content_type,
            size=decoded_size(message.raw, part.start, part.end, part.encoding),
            content_id=_content_id(part),
        )


def has_attachments(structure: Structure) -> bool:
    """Tell whether a message contains anything except the displayed text."""
    return any(True for _ in _attached(structure))


def is_with_attachments(raw: bytes) -> bool:
    """Tell whether a whole email contains anything except the displayed text."""
    return has_attachments(open_message(raw).structure)


def _attached(structure: Structure) -> Iterator[Part]:
    shown = shown_parts(structure)
    in_messages: set[Part] = set()
    for part in structure.parts:  # each before its children
        parent = part.parent
        if parent is not None and (parent.is_message or parent in in_messages):
            in_messages.add(part)
        elif not (part in shown or (part.is_multipart and part.child_count)):
            yield part


def _name(part: Part, number: int) -> str:
    name = re.split(r"[/\\]", _decode(part.file_name or ""))[-1].strip()
    if len(name) > 1 and name[0] == name[-1] == "'":  # as some senders quote it
        name = name[1:-1]
    if name.strip("."):
        return name[-_MAX_NAME:]
    return f"attachment-{number}{_TYPES.guess_extension(part.content_type) or ''}"


def _content_id(part: Part) -> str | None:
    """Return what names the part in the HTML; None if it is nothing that can be sent again."""
    content_id = part.content_id.decode("latin_1").strip().removeprefix("<").removesuffix(">")
    return content_id if CONTENT_ID.fullmatch(content_id) else None


def _decode(name: str) -> str:
    """Decode what senders put there against RFC 2231: encoded words, and octets beyond ASCII."""
    try:
        name = decode_words(name.encode("latin_1"))
    except UnicodeEncodeError:  # it was decoded by RFC 2231
        name = to_json_text(name)
    return _NOT_IN_NAME.sub("", name)
