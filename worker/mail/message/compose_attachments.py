"""Files as parts of a message: multipart/mixed (RFC 2046, 5.1.3) with file names by RFC 2231."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from urllib.parse import quote

from worker.models.documents import File

_MEDIA_TYPE = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)\s*(?:;.*)?", re.ASCII | re.DOTALL)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w.:+-]{1,40})", re.ASCII | re.IGNORECASE)
# RFC 2046, 5.2.1 allows no base64 for these: as files they travel by another name.
_NEVER_ENCODED = ("message/", "multipart/")
_ANY_TYPE = "application/octet-stream"
# What stands in quotes without being escaped or taken for an encoding.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$&'()+,.;=@\[\]^_`{}~-]{1,60}")
_SEGMENT_CHARACTERS = 50


def with_attachments(body: bytes, files: Sequence[File]) -> bytes:
    """Return MIME fields and content of a message: `body`, a part with its own fields, and then the files.

    The same files and body give the same octets.
    """
    boundary = _boundary(body, files).encode()
    head = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary="' + boundary + b'"\r\n\r\n'
    pieces = [head, b"--", boundary, b"\r\n", body]
    for file in files:
        pieces += [b"\r\n--", boundary, b"\r\n", *_part(file)]
    return b"".join([*pieces, b"\r\n--", boundary, b"--\r\n"])


def _boundary(body: bytes, files: Sequence[File]) -> str:
    """Return a line that is in no part: made of the content, and with what base64 has not."""
    digest = hashlib.sha256(body)
    for file in files:
        digest.update(f"{len(file.content)} {file.name}".encode())
        digest.update(file.content)
    return f"=_mixed_{digest.hexdigest()[:40]}"


def _part(file: File) -> tuple[bytes, bytes]:
    lines = [
        f"Content-Type: {_content_type(file.content_type)}",
        "Content-Transfer-Encoding: base64",
        ";\r\n ".join(["Content-Disposition: attachment", *_file_name(file.name)]),
        "\r\n",
    ]
    return "\r\n".join(lines).encode("ascii"), base64.encodebytes(file.content).replace(b"\n", b"\r\n")


def _content_type(given: str) -> str:
    found = _MEDIA_TYPE.fullmatch(given)
    if found is None or found[1].lower().startswith(_NEVER_ENCODED):
        return _ANY_TYPE
    charset = _CHARSET.search(given)
    return f"{found[1]}; charset={charset[1]}" if charset else found[1]


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
