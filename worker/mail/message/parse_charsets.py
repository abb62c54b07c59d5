"""Bytes to text, whatever their label says: nothing raises, and nothing disappears without a mark."""

from __future__ import annotations

import codecs
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache

REPLACEMENT = "\ufffd"

# Codecs that Python knows under their own names only.
_UNALIASED = {"cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u", "mac_arabic"}
# Labels that senders use and Python does not know, and those whose usual meaning is a larger set.
_LABELS = {
    "cp932": "cp932",
    "gb2312": "gb18030",
    "gb_2312_80": "gb18030",
    "gbk": "gb18030",
    "iso_8859_6_e": "iso8859_6",
    "iso_8859_6_i": "iso8859_6",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_8_i": "iso8859_8",
    "ks_c_5601_1987": "cp949",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "unicode_1_1_utf_7": "utf_7",
    "unicode_1_1_utf_8": "utf_8",
    "utf8mb4": "utf_8",
    "windows_874": "cp874",
    "x_euc_jp": "euc_jp",
    "x_gbk": "gb18030",
    "x_mac_roman": "mac_roman",
    "x_sjis": "cp932",
    "x_windows_949": "cp949",
}
_TO_BYTES = {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"}
_CODECS = frozenset(aliases.values()) - _TO_BYTES - {"mbcs"} | _UNALIASED

# Windows-1252 with its five holes filled as browsers fill them (WHATWG Encoding): it decodes any byte.
_WINDOWS_1252 = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))


def decode_text(data: bytes, label: str | None) -> str:
    """Return bytes as text by their charset label; without a known one, as UTF-8, else as windows-1252."""
    codec = _find_codec(label) if label else None
    if codec == "latin_1":
        return _decode_windows_1252(data)
    if codec in (None, "ascii"):
        return _decode_undeclared(data)
    if codec == "utf_8":
        return _decode_utf_8(data)
    if not data.isascii() and not is_valid(data, codec) and is_valid(data, "utf_8"):
        codec = "utf_8"  # that does not come about by chance: the label is wrong
    return data.decode(codec, "replace")


def is_valid(data: bytes, label: str) -> bool:
    """Tell whether bytes are what their label says; always true for a label that nobody knows."""
    try:
        data.decode(_find_codec(label) or "latin_1")
    except UnicodeError:
        return False
    return True


def to_json_text(text: str) -> str:
    """Return text that every JSON reader takes: NUL and lone surrogates become replacement characters.

    JSON can say NUL, but the databases behind an engine cannot hold it.
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


@lru_cache(maxsize=256)
def _find_codec(label: str) -> str | None:
    """Return Python's codec for a label, or None.

    The names come from a list, not from `codecs.lookup`: that would import a module by a name out of
    the mail, and accept codecs such as `punycode` whose time grows with the square of the text.
    """
    name = normalize_encoding(label.strip("\"' \t").lower()[:64])
    codec = _LABELS.get(name) or aliases.get(name) or aliases.get(name.replace("_", "")) or name
    codec = _LABELS.get(codec, codec)
    return codec if codec in _CODECS else None


def _decode_undeclared(data: bytes) -> str:
    try:
        return data.decode("utf_8_sig")
    except UnicodeDecodeError:
        return _decode_windows_1252(data)


def _decode_utf_8(data: bytes) -> str:
    try:
        return data.decode("utf_8_sig")
    except UnicodeDecodeError:
        text = data.decode("utf_8_sig", "replace")
    # Not one character beyond ASCII made sense: the label is wrong, the bytes are not.
    is_mislabelled = text.replace(REPLACEMENT, "").isascii()
    return _decode_windows_1252(data) if is_mislabelled else text


def _decode_windows_1252(data: bytes) -> str:
    return codecs.charmap_decode(data, "strict", _WINDOWS_1252)[0]
