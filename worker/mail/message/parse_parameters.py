"""Parameters of MIME fields (RFC 2045, 5.1), also split and encoded ones (RFC 2231)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from worker.mail.message.parse_charsets import decode_text

# Every repetition is possessive or bounded by what follows it: the time is linear, whatever the text.
_PARAMETER = re.compile(r'[;\s]([^\s=;"]++)\s*+=\s*+("(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[^\s;]*+)', re.DOTALL)
_NAME = re.compile(r"(.+?)(?:\*(\d{1,4}))?(\*)?", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def read_parameters(value: bytes) -> dict[str, str]:
    """Return a field's parameters by their names in lower case; the first of a name wins.

    Text is Latin-1, so that a boundary can be turned back into its bytes; an encoded parameter is what
    it stands for.
    """
    segments: dict[str, dict[int, tuple[str, bool]]] = {}
    for match in _PARAMETER.finditer(value.decode("latin_1")):
        name = _NAME.fullmatch(match[1].lower())
        if name:
            number = int(name[2]) if name[2] else 0
            segments.setdefault(name[1], {}).setdefault(number, (_unquote(match[2]), bool(name[3])))
    return {name: _join(numbered) for name, numbered in segments.items()}


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value
    return _ESCAPE.sub(r"\1", value[1:].removesuffix('"'))


def _join(numbered: dict[int, tuple[str, bool]]) -> str:
    """Put the segments together; those marked with a star are percent-encoded (RFC 2231, 4.1)."""
    parts = [numbered[number] for number in sorted(numbered)]
    if not any(is_encoded for _, is_encoded in parts):
        return "".join(text for text, _ in parts)
    charset = None
    if parts[0][1] and parts[0][0].count("'") >= 2:  # noqa: PLR2004 - charset'language'text
        charset, _, first = parts[0][0].split("'", 2)
        parts[0] = (first, True)
    octets = (
        unquote_to_bytes(text.encode("latin_1")) if is_encoded else text.encode("latin_1")
        for text, is_encoded in parts
    )
    return decode_text(b"".join(octets), charset)
