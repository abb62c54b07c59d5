"""Parts of a message as octets (RFC 2045, 2046, 2183): texts, files with names by RFC 2231, several in one.

`email.message` breaks the header fields, which `compose` writes. This module writes the rest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import string
from collections.abc import Sequence
from io import BytesIO
from urllib.parse import quote

from worker.models.documents import File

_LINE_WIDTH = 78  # RFC 5322 2.1.1
_PLAIN = (string.digits + string.ascii_letters + string.punctuation + " \t\r\n").encode()
# From a sixth on base64 is shorter; but quoted-printable can still be read, by people and by filters.
_MOST_QUOTED = 1 / 4

# RFC 6838, 4.2 bounds the names.
_MEDIA_TYPE = re.compile(r"\s*([\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127})\s*(?:;.*)?", re.ASCII | re.DOTALL)
# Without the method, mail clients take an invitation for a plain file (RFC 6047, 2.4).
_KEPT = re.compile(r";\s*(charset|method)\s*=\s*\"?([\w.:+-]{1,40})", re.ASCII | re.IGNORECASE)
# RFC 2046, 5.2.1 allows no base64 for these: as files they travel by another name.
_NEVER_ENCODED = ("message/", "multipart/")
_ANY_TYPE = "application/octet-stream"
# What stands in quotes without being escaped or taken for an encoding.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$&'()+,.;=@\[\]^_`{}~-]{1,60}")
_SEGMENT_CHARACTERS = 50


def text_part(text: str, subtype: str) -> bytes:
    """Return the MIME fields and the content of a text: whole lines, ended by CRLF."""
    encoding, content = _encoded(text)
    fields = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return fields.encode() + content


def attachment_part(file: File, *, is_inline: bool = False) -> tuple[bytes, bytes]:
    """Return the MIME fields of a file, and its content. `is_inline`: the HTML shows it."""
    disposition = "inline" if is_inline else "attachment"
    lines = [
        f"Content-Type: {_content_type(file.content_type)}",
        "Content-Transfer-Encoding: base64",
        ";\r\n ".join([f"Content-Disposition: {disposition}", *_file_name(file.name)]),
        *([f"Content-ID: <{file.content_id}>"] if file.content_id else ()),
        "\r\n",
    ]
    return "\r\n".join(lines).encode("ascii"), _base64_lines(file.content)


def multipart(subtype: str, parts: Sequence[Sequence[bytes]], parameters: str = "") -> bytes:
    """Return the MIME fields and the content of parts, each given in pieces.

    `parameters`: further ones of Content-Type, such as `type="text/html"`.

    The same parts give the same octets: the boundary is made of them, so that no line of them can be it.
    """
    digest = hashlib.sha256()
    for part in parts:
        for piece in part:
            digest.update(piece)
    boundary = f"=_{digest.hexdigest()[:40]}"
    kind = f"{subtype}; {parameters}" if parameters else subtype
    pieces = [f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n'.encode()]
    for part in parts:
        pieces += [f"\r\n--{boundary}\r\n".encode(), *part]
    return b"".join([*pieces, f"\r\n--{boundary}--\r\n".encode()])


def _encoded(text: str) -> tuple[str, bytes]:
    lines = text.encode().replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n")
    content = lines.replace(b"\n", b"\r\n") + b"\r\n"
    quoted = content.translate(None, _PLAIN)
    # One line at a time: a list of all takes many times the text.
    if not quoted and max(map(len, BytesIO(content))) <= _LINE_WIDTH + len(b"\r\n"):
        return "7bit", content
    if len(quoted) > len(content) * _MOST_QUOTED:
        return "base64", _base64_lines(content)
    return "quoted-printable", binascii.b2a_qp(content)


def _base64_lines(content: bytes) -> bytes:
    """Return octets in lines of base64, each ended by CRLF."""
    return base64.encodebytes(content).replace(b"\n", b"\r\n")


def _content_type(given: str) -> str:
    found = _MEDIA_TYPE.fullmatch(given)
    if found is None or found[1].lower().startswith(_NEVER_ENCODED):
        return _ANY_TYPE
    kept = {name.lower(): value for name, value in _KEPT.findall(given)}
    return "; ".join([found[1], *(f"{name}={value}" for name, value in kept.items())])


def _file_name(name: str) -> list[str]:
    """Return the parameters that name a file: one in quotes, or encoded and as many as it needs."""
    if _PLAIN_NAME.fullmatch(name):
        return [f'filename="{name}"']
    segments = [""]
    for character in name:
        encoded = quote(character, safe="", encoding="utf-8", errors="replace")
        if len(segments[-1]) + len(encoded) > _SEGMENT_CHARACTERS:
            segments.append("")
        segments[-1] += encoded
    if len(segments) == 1:
        return [f"filename*=UTF-8''{segments[0]}"]
    return [
        f"filename*{number}*={segment}" if number else f"filename*0*=UTF-8''{segment}"
        for number, segment in enumerate(segments)
    ]
