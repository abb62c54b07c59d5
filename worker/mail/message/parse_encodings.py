"""Content transfer encodings (RFC 2045, 6.7 and 6.8), by `binascii`, read leniently and in linear time.

`get_payload(decode=True)` is not used: it takes the content as text, four times in memory, drops what
follows the first padding of base64, and half of what stands behind a lone equals sign.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from itertools import islice

# By the letters and digits of what senders write: they leave out hyphens, and add some.
_ENCODINGS = {
    "base64": "base64",
    "quotedprintable": "quoted-printable",
    **dict.fromkeys(("xuuencode", "uuencode", "xuue", "uue"), "uuencode"),
}
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,6}\b[^\r\n]*+\r?\n", re.MULTILINE)
_LINE = re.compile(rb"[^\n]*+\n|[^\n]++\Z")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_IN_ALPHABET = bytes(set(range(256)) - set(_ALPHABET))
_PADDING = re.compile(rb"=+[ \t\r\n]*")
_MOST_CHUNKS = 1000
_PIECE_BYTES = 64 * 1024
# The look-behind keeps a long run of blanks from being tried again at each of them.
_TRAILING_BLANKS = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")
# Equals signs that stand for themselves, as they should not. The standard library makes one of two, drops
# one at the end, and drops what follows one with a lone carriage return.
_LONE_EQUALS = re.compile(rb"=(?![0-9A-Fa-f]{2})")
_LONE_EQUALS_IN_LINES = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r*+\n|\r*+\Z)")


def known_encoding(name: str) -> str:
    """Return `base64`, `quoted-printable` or `uuencode`; an empty text for what leaves octets as they are."""
    return _ENCODINGS.get("".join(filter(str.isalnum, name.lower())), "")


def decode_transfer_encoding(data: bytes, encoding: str) -> bytes:
    """Return content without its transfer encoding, which is named as by `known_encoding`."""
    if encoding == "base64":
        return decode_base64(data)
    if encoding == "quoted-printable":
        return b"".join(map(_decode_quoted_printable, pieces(data, _PIECE_BYTES)))
    if encoding == "uuencode":
        return decode_uuencode(data)
    return data


def decoded_size(raw: bytes, start: int, end: int, encoding: str) -> int:
    """Return how many octets `raw[start:end]` has without its transfer encoding, in little memory."""
    if not encoding:
        return end - start
    if encoding == "base64":
        cuts = range(start, end, _PIECE_BYTES)
        in_pieces = (raw[cut : min(cut + _PIECE_BYTES, end)] for cut in cuts)
        digits = sum(len(piece.translate(None, _NOT_IN_ALPHABET)) for piece in in_pieces)
        others = sum(raw.count(character, start, end) for character in (b"\r", b"\n", b"="))
        padding = raw.find(b"=", start, end)
        is_one = padding < 0 or not raw[padding:end].strip(b"=\r\n")
        if is_one and digits + others == end - start:
            return (digits - (digits % 4 == 1)) * 3 // 4
    return len(decode_transfer_encoding(raw[start:end], encoding))


def pieces(data: bytes, most: int) -> Iterator[bytes]:
    """Cut octets into pieces of at most `most`: at ends of lines, in longer lines not in a quoted octet."""
    position = 0
    while len(data) - position > most:
        end = data.rfind(b"\n", position, position + most) + 1
        if not end:
            end = position + most
            equals = data.find(b"=", end - 2, end)
            end = equals if equals >= 0 else end
        yield data[position:end]
        position = end
    yield data[position:] if position else data


def _decode_quoted_printable(piece: bytes) -> bytes:
    """Decode one piece: each removed or inserted part needs an object in memory."""
    return binascii.a2b_qp(_LONE_EQUALS_IN_LINES.sub(b"=3D", _TRAILING_BLANKS.sub(b"", piece)))


def decode_uuencode(data: bytes) -> bytes:
    """Return the file between the lines `begin 644 name` and `end`; without them the text as it stands."""
    begin = _UU_BEGIN.search(data)
    if not begin:
        return data
    decoded = bytearray()
    for line in _LINE.finditer(data, begin.end()):
        text = line[0].rstrip(b"\r\n")
        if text == b"end":
            break
        decoded += _decode_uu_line(text)
    return bytes(decoded)


def _decode_uu_line(line: bytes) -> bytes:
    """Decode one line: its first character tells how many octets; a checksum may follow."""
    if not line:
        return b""
    length = (line[0] - 32) & 63
    digits = line[1 : 1 + (length + 2) // 3 * 4]
    try:
        return binascii.a2b_uu(line[:1] + digits)
    except binascii.Error:
        return b""


def decode_base64(data: bytes) -> bytes:
    """Return what base64 text stands for; text that is no base64 comes back as it stands.

    Read are also: missing padding, foreign characters in between, several encodings one after the other,
    and plain text behind the padding (what mailing lists and virus scanners append).
    """
    pieces = []
    position = 0
    for padding in islice(_PADDING.finditer(data), _MOST_CHUNKS):
        chunk = data[position : padding.start()]
        if not _is_base64(chunk, is_first=position == 0):
            break
        pieces.append(_decode_digits(chunk))
        position = padding.end()
    rest = data[position:] if position else data
    pieces.append(_decode_digits(rest) if _is_base64(rest, is_first=position == 0) else rest)
    return b"".join(pieces)


def decode_q(data: bytes) -> bytes:
    """Return what the "Q" encoding of an encoded word stands for (RFC 2047, 4.2)."""
    return binascii.a2b_qp(_LONE_EQUALS.sub(b"=3D", data), header=True)


def _is_base64(chunk: bytes, *, is_first: bool) -> bool:
    """Tell base64 with some dirt (a quarter of a percent is usual) from text that was labelled so.

    What follows a padding must be clean, as that is where plain text is appended.
    """
    without_lines = chunk.translate(None, b"\r\n")
    dirt = len(without_lines) - len(without_lines.translate(None, _NOT_IN_ALPHABET))
    return dirt <= (2 + len(without_lines) // 16 if is_first else 0)


def _decode_digits(chunk: bytes) -> bytes:
    digits = chunk.translate(None, _NOT_IN_ALPHABET)
    if len(digits) % 4 == 1:  # six bits are no octet
        digits = digits[:-1]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
