"""Files as parts of a message (RFC 2183), with names by RFC 2231."""

from __future__ import annotations

import re
from urllib.parse import quote

from worker.mail.message.compose_parts import base64_lines
from worker.models.documents import File

_MEDIA_TYPE = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)\s*(?:;.*)?", re.ASCII | re.DOTALL)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w.:+-]{1,40})", re.ASCII | re.IGNORECASE)
# RFC 2046, 5.2.1 allows no base64 for these: as files they travel by another name.
_NEVER_ENCODED = ("message/", "multipart/")
_ANY_TYPE = "application/octet-stream"
# What stands in quotes without being escaped or taken for an encoding.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$&'()+,.;=@\[\]^_`{}~-]{1,60}")
_SEGMENT_CHARACTERS = 50


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
    return "\r\n".join(lines).encode("ascii"), base64_lines(file.content)


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
