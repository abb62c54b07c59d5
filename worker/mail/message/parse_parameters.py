"""Parameters of MIME fields (RFC 2045, 5.1), also split and encoded ones (RFC 2231), by `email.message`."""

from __future__ import annotations

import re
from email.message import Message
from typing import Any
from urllib.parse import unquote_to_bytes

from worker.mail.message.parse_charsets import decode_text
from worker.mail.message.parse_labels import find_codec

# The standard library's time grows with the square of a field's length: no sender needs more than this.
_LONGEST = 8 * 1024
# A type that a blank parts from its first parameter, where a semicolon should stand.
_NO_SEMICOLON = re.compile(r"(?<![^\s;=\"])([^\s;=\"]++)\s++(?=[^\s;=\"]++=)")
# The same at the beginning and behind a quoted value, where it cannot be part of a name; or a comma.
_NO_SEMICOLON_FIRST = re.compile(r"(\A\s*+[^\s;=\",]++|(?<=[^=\s])\")(?:\s*+,\s*+|\s++)(?=[\w*-]++\s?=)")
_QUOTED_OR_COMMENT = re.compile(
    r"(\"(?:[^\"\\]|\\.)*+(?:\"|\\?\Z))|(?<=[\s\";])\([^()]*+\)(?=\s*+(?:;|\Z|[\w*-]++=))"
)
# An encoded value whose name lacks the asterisk.
_ENCODED = re.compile(r"([\w-]++)'[\w-]*+'(.*%[0-9A-Fa-f]{2}.*)", re.DOTALL)


def read_parameters(value: bytes) -> dict[str, str]:
    """Return a field's parameters by their names in lower case; the encoded one wins, then the first.

    Text is Latin-1, so that a boundary can be turned back into its bytes; an encoded parameter is what
    it stands for.
    """
    text = _QUOTED_OR_COMMENT.sub(r"\1", value[:_LONGEST].decode("latin_1"))
    if ";" not in text and '"' not in text:
        text = _NO_SEMICOLON.sub(r"\1; ", text)
    text = _NO_SEMICOLON_FIRST.sub(r"\1; ", text)
    try:
        pairs = _split(text)
    except (TypeError, ValueError):  # segments with and without numbers, or a number of thousands of digits
        pairs = _split(text.replace("*", "-"))
    parameters: dict[str, str] = {}
    encoded: dict[str, str] = {}
    # The first is the value itself, which some leave out.
    for name, content in pairs if pairs and pairs[0][1] else pairs[1:]:
        if isinstance(content, tuple):
            encoded.setdefault(name.lower(), _decode(*content))
        else:
            parameters.setdefault(name.lower(), _decode_unmarked(content.strip('"')))
    return parameters | encoded


def _split(text: str) -> list[tuple[str, Any]]:
    """Return names and values: a text, or charset, language and text."""
    message = Message()
    message["Content-Type"] = text
    return message.get_params(failobj=[])


def _decode_unmarked(content: str) -> str:
    encoded = _ENCODED.fullmatch(content)
    if not encoded or not find_codec(encoded[1]):
        return content
    return decode_text(unquote_to_bytes(encoded[2]), encoded[1])


def _decode(charset: str | None, _language: str | None, text: str) -> str:
    return decode_text(text.encode("latin_1", "replace"), charset)
