"""Bytes to text with any charset label: nothing raises, and nothing disappears without a replacement mark."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from worker.mail.message.parse_east_asian import (
    HAS_ISO_2022_JP,
    REPLACEMENT,
    decode_big5,
    decode_euc_jp,
    decode_gb18030,
    decode_iso_2022_jp,
    decode_shift_jis,
)
from worker.mail.message.parse_labels import find_codec

_OWN: dict[str, Callable[[bytes], str]] = {
    "big5": decode_big5,
    "cp932": decode_shift_jis,
    "euc_jp": decode_euc_jp,
    "gb18030": decode_gb18030,
    "iso2022_jp": decode_iso_2022_jp,
}
_WIDE = ("utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be")
# Codecs of the standard library in which a character may take several octets.
_MULTI_BYTE = ("utf", "iso2022", "hz", "euc", "shift", "gb", "big5", "johab", "cp932", "cp949")
# Where the encoding standard's tables differ from Python's.
_CHANGED = {"cp1255": {0xCA: "\u05ba"}, "koi8_u": {0xAE: "\u045e", 0xBE: "\u040e"}}
_ASCII = bytes(range(0x80))
_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAMPLE = 1000
# What East Asian charsets make of octets that are something else: private characters among others.
_NO_TEXT = re.compile("[\ue000-\uf8ff\ufffd]")


def decode_text(data: bytes, label: str | None) -> str:
    """Return bytes as text by their charset label; without a known one, as UTF-8, else as windows-1252.

    A byte order mark at the beginning wins over any label (encoding.spec.whatwg.org, 6).
    UTF-8 is proof against another label, as it does not come about by chance, and so are the escape
    sequences of ISO-2022-JP where no other label says what they mean.
    """
    codec = find_codec(label) if label else None
    if data.startswith(codecs.BOM_UTF8):
        codec = "utf_8"
    elif data.startswith(_BOMS) and codec not in _WIDE:
        codec = "utf_16"
    if codec in _WIDE:
        return _decode_wide(data, codec)
    if codec in (None, "ascii", "utf_8", "cp1252") and HAS_ISO_2022_JP.search(data) and data.isascii():
        return decode_iso_2022_jp(data)
    if codec in (None, "ascii", "utf_8"):
        return _decode_utf_8(data, is_declared=codec == "utf_8")
    is_safe = data.isascii() or (_is_multi_byte(codec) and _decodes(data, codec))
    return data.decode("utf_8_sig") if not is_safe and _decodes(data, "utf_8") else _decode(data, codec)


def is_valid(data: bytes, label: str) -> bool:
    """Tell whether bytes are what their label says; always true for a label that nobody knows."""
    return _decodes(data, find_codec(label) or "latin_1")


def to_json_text(text: str) -> str:
    """Return text that every JSON reader takes: NUL and lone surrogates become replacement characters.

    JSON allows NUL, but the databases behind Camunda cannot store it.
    """
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _is_multi_byte(codec: str) -> bool:
    """Tell whether a character may take several octets."""
    return codec.startswith(_MULTI_BYTE)


def _decodes(data: bytes, codec: str) -> bool:
    if codec in _OWN:
        return not _NO_TEXT.search(_OWN[codec](data))
    try:
        data.decode(codec)
    except UnicodeError:
        return False
    return True


def _decode(data: bytes, codec: str) -> str:
    if codec in _OWN:
        return _OWN[codec](data)
    if _is_multi_byte(codec):
        return data.decode(codec, "replace")
    return codecs.charmap_decode(data, "strict", _table(codec))[0]


@lru_cache(maxsize=32)
def _table(codec: str) -> str:
    """Return the 256 characters of a single-byte charset, its holes below A0 filled as the standard does."""
    characters = []
    for octet in range(256):
        known = _CHANGED.get(codec, {}).get(octet) or bytes([octet]).decode(codec, "ignore")
        characters.append(known or (chr(octet) if octet < 0xA0 else REPLACEMENT))  # noqa: PLR2004 - C1
    return "".join(characters)


def _decode_wide(data: bytes, codec: str) -> str:
    """Decode UTF-16 and UTF-32; text in octets under such a label is UTF-8 (HTML standard, 13.2.3.2)."""
    if b"\0" not in data and not data.startswith(_BOMS) and _is_in_octets(data):
        return _decode_utf_8(data, is_declared=False)
    if codec == "utf_16" and not data.startswith(_BOMS):
        high, low = data[0:_SAMPLE:2].count(0), data[1:_SAMPLE:2].count(0)
        codec = "utf_16_be" if high > low else "utf_16_le"
    return data.decode(codec, "replace").removeprefix("\ufeff")


def _is_in_octets(data: bytes) -> bool:
    """Tell whether a letter is one octet or UTF-8, as far as length, blanks and ASCII letters tell."""
    beyond_ascii = len(data.translate(None, _ASCII))
    return bool(len(data) % 2) or _decodes(data, "utf_8") or (b" " in data and beyond_ascii * 4 < len(data))


def _decode_utf_8(data: bytes, *, is_declared: bool) -> str:
    """Decode UTF-8; what is not, as windows-1252, or by replacements if it is declared and in part sound.

    Java and Oracle write what is beyond 16 bits as two surrogates, which `to_json_text` joins.
    """
    for errors in ("strict", "surrogatepass"):
        with suppress(UnicodeDecodeError):
            return data.decode("utf_8_sig", errors)
    text = data.decode("utf_8_sig", "replace")
    # Not one character beyond ASCII made sense: the label is wrong, the bytes are not.
    is_mislabelled = text.replace(REPLACEMENT, "").isascii()
    return text if is_declared and not is_mislabelled else _decode(data, "cp1252")
