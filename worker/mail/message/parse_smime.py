"""Opens S/MIME that needs no key (RFC 8551, RFC 5652), with asn1crypto.

The signature is not checked, because nobody has configured whom to trust.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from worker.mail.message.parse_encodings import decode_base64, decode_transfer_encoding
from worker.mail.message.parse_structure import Part, Structure, read_structure
from worker.models.email import Smime

_TYPES = ("application/pkcs7-mime", "application/x-pkcs7-mime", "application/cms")  # the last: RFC 7193
_SIGNATURES = ("application/pkcs7-signature", "application/x-pkcs7-signature")
_ENCRYPTED = (
    "authenticated_enveloped_data",
    "encrypted_data",
    "enveloped_data",
    "signed_and_enveloped_data",
)
_ENCRYPTED_TYPES = ("enveloped-data", "authenveloped-data")
# Some senders sign, encrypt and sign again (RFC 2634); more layers are not usual.
_MOST_LAYERS = 5
# As OpenSSL writes it.
_ARMOUR = re.compile(rb"-----(?:BEGIN|END) (?:PKCS7|PKCS #7 SIGNED DATA|CMS)-----")
_SEQUENCE = 0x30
_OCTET_STRING = 0x04
_CONSTRUCTED = 1


@dataclass(frozen=True, slots=True)
class OpenedMessage:
    """A message with what was signed in the place of the signed data, so that offsets fit to `raw`.

    The fields of `structure` are those of the message that was sent.
    """

    raw: bytes
    structure: Structure
    smime: Smime | None


def open_message(raw: bytes) -> OpenedMessage:
    """Find the structure of a message; of one that is signed and not shown in clear, that inside."""
    text = with_line_feeds(raw)
    structure = read_structure(text)
    smime = None
    for _ in range(_MOST_LAYERS):
        part = _first_leaf(structure)
        smime = Smime.SIGNED if _is_signed_in_clear(part) else smime
        kind, content = _open(text, part)
        smime = kind or smime
        if content is None:
            break
        text = text[: part.header_start] + content + text[part.end :]
        structure = replace(structure, parts=read_structure(text).parts)
    return OpenedMessage(text, structure, smime)


def with_line_feeds(raw: bytes) -> bytes:
    """Return the message with line feeds if it has nothing but carriage returns (old Macs).

    The last line may have both: POP3 ends it so.
    """
    return raw if raw.find(b"\n", 0, -1) >= 0 else raw.removesuffix(b"\n").replace(b"\r", b"\n")


def _first_leaf(structure: Structure) -> Part:
    """Return the part in which S/MIME would be: the message itself, or what a mailing list has wrapped."""
    return next(part for part in structure.parts if not (part.is_multipart and part.child_count))


def _is_signed_in_clear(part: Part) -> bool:
    parent = part.parent
    while parent:
        if parent.content_type == "multipart/signed":
            return parent.parameters.get("protocol", "").lower() in _SIGNATURES
        parent = parent.parent
    return False


def _open(raw: bytes, part: Part) -> tuple[Smime | None, bytes | None]:
    """Tell what S/MIME made a part, and what is in it if that can be read."""
    name = (part.file_name or "").lower()
    if part.content_type not in _TYPES and not (
        part.content_type == "application/octet-stream" and name.endswith(".p7m")
    ):
        return None, None
    data = decode_transfer_encoding(_ARMOUR.sub(b"", raw[part.start : part.end]), part.encoding)
    if data[:1] != bytes([_SEQUENCE]):
        data = decode_base64(_ARMOUR.sub(b"", data))
    try:
        kind, content = _read_content(data)
    except (ValueError, TypeError, LookupError, RecursionError):
        kind, content = "", None
    if content:
        return Smime.SIGNED, content
    is_encrypted = kind in _ENCRYPTED or part.parameters.get("smime-type", "").lower() in _ENCRYPTED_TYPES
    return (Smime.ENCRYPTED if is_encrypted else None), None


def _read_content(data: bytes) -> tuple[str, bytes | None]:
    # Only here: it takes 2 MB of memory, and few workers ever read such a message.
    from asn1crypto import cms  # noqa: PLC0415

    info = cms.ContentInfo.load(data)
    kind: str = info["content_type"].native
    content = info["content"]["encap_content_info"]["content"] if kind == "signed_data" else None
    if not content or not content.contents:
        return kind, None
    return kind, _join(content.contents) if content.method == _CONSTRUCTED else content.contents


def _join(pieces: bytes) -> bytes:
    """Join octet strings (X.690, 8.7.3); asn1crypto would copy all before for each of them."""
    joined = bytearray()
    position = 0
    while position < len(pieces):
        tag, length = pieces[position], pieces[position + 1]
        position += 2
        if tag != _OCTET_STRING:
            raise ValueError(tag)
        if length & 0x80:
            more = length & 0x7F
            length = int.from_bytes(pieces[position : position + more], "big")
            position += more
        joined += pieces[position : position + length]
        position += length
    return bytes(joined)
