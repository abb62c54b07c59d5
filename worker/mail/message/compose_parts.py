"""Parts of a message as octets (RFC 2045, 2046): a text in the encoding that suits it, and several in one.

`email.message` breaks the header fields, which `compose` writes. This module writes the rest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import string
from collections.abc import Sequence
from io import BytesIO

_LINE_WIDTH = 78  # RFC 5322 2.1.1
_PLAIN = (string.digits + string.ascii_letters + string.punctuation + " \t\r\n").encode()
# From a sixth on base64 is shorter; but quoted-printable can still be read, by people and by filters.
_MOST_QUOTED = 1 / 4


def text_part(text: str, subtype: str) -> bytes:
    """Return the MIME fields and the content of a text: whole lines, ended by CRLF."""
    encoding, content = _encoded(text)
    fields = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return fields.encode() + content


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
        return "base64", base64_lines(content)
    return "quoted-printable", binascii.b2a_qp(content)


def base64_lines(content: bytes) -> bytes:
    """Return octets in lines of base64, each ended by CRLF."""
    return base64.encodebytes(content).replace(b"\n", b"\r\n")
