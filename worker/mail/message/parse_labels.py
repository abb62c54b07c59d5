"""Charset labels as senders write them, and the codecs that they mean (encoding.spec.whatwg.org, 4.2)."""

from __future__ import annotations

import re
from encodings.aliases import aliases
from functools import lru_cache

_SIGNS = re.compile(r"[^a-z0-9]+")
# What IANA's aliases and private labels begin with: csUTF16, x-mac-greek.
_PREFIX = re.compile(r"^(?:cs|x)+")
_LONGEST = 64

# Codecs that Python knows under their own names only, and those that are no charsets.
_UNALIASED = {"cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u", "mac_arabic"}
_TO_BYTES = {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"}
CODECS = frozenset(aliases.values()) - _TO_BYTES - {"mbcs"} | _UNALIASED

# Charsets whose label means a larger one. Big5, EUC-JP, ISO-2022-JP and GB 18030 are decoded by own code.
_LARGER = {
    "big5hkscs": "big5",
    "cp950": "big5",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859_11": "cp874",
    "iso8859_9": "cp1254",
    "latin_1": "cp1252",
    "shift_jis": "cp932",
    "tis_620": "cp874",
}
# Labels, without their signs, that neither Python nor the near misses below tell.
_LABELS = {
    "cp1250": "msee",
    "cp1251": "mscyrl",
    "cp1252": "ansi ansix31101983 western westerneuropean",
    "cp1253": "msgreek",
    "cp1254": "msturk",
    "cp1255": "mshebr",
    "cp1256": "msarab",
    "cp1257": "winbaltrim",
    "cp874": "tis6202533",
    "cp932": "cp943 windows31j",
    "cp949": "isoir149",
    "euc_jp": "cp20932 cp51932 cseucpkdfmtjapanese",
    "gb18030": "cngb cp54936 cp936",
    "hz": "cp52936",
    "iso2022_jp": "cp50220 cp50221 cp50222 jis",
    "iso8859_7": "suneugreek",
    "iso8859_8": "logical visual",
    "koi8_r": "cp20866 koi",
    "koi8_u": "cp21866 koi8ru",
    "mac_cyrillic": "xmacukrainian",
    "mac_latin2": "xmacce",
    "mac_roman": "cp10000 mac",
    "utf_16": "iso10646ucs2 ucs2 unicode unicode11",
    "utf_16_be": "cp1201 unicodefffe",
    "utf_16_le": "cp1200 unicodefeff",
    "utf_7": "cp65000 xunicode20utf7",
}
# Near misses: what the label contains, first of these. Oracle writes WE8MSWIN1252 and WE8ISO8859P1.
_CONTAINED = (
    (re.compile(r"utf8"), "utf_8"),
    (re.compile(r"8859p?(1[0-6]|[1-9])"), "iso8859_{}"),
    (re.compile(r"(?:win|windows|cp|ms|ansi|codepage|xcp)(125[0-8]|874|932|936|949|950)"), "cp{}"),
    (re.compile(r"(?:cp|ibm|dos|oem|pc|codepage)(?:00)?(\d{3})"), "cp{}"),
    (re.compile(r"^(?:windows|cp)?(\d{5})$"), "cp{}"),
    (re.compile(r"2022jp"), "iso2022_jp"),
    (re.compile(r"big5"), "big5"),
    (re.compile(r"gb(?:18030|2312|k)"), "gb18030"),
    (re.compile(r"s(?:hift)?jis"), "cp932"),
    (re.compile(r"eucjp"), "euc_jp"),
    (re.compile(r"euckr|ksc?5601"), "cp949"),
    (re.compile(r"koi8u"), "koi8_u"),
    (re.compile(r"koi8"), "koi8_r"),
    (re.compile(r"latin([1-9])"), "latin{}"),
)


def _without_signs(label: str) -> str:
    return _SIGNS.sub("", label.lower())


_BY_LABEL = (
    {_without_signs(codec): codec for codec in CODECS}
    | {_without_signs(alias): codec for alias, codec in aliases.items() if codec in CODECS}
    | {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
    | {f"cp28{590 + part}": f"iso8859_{part}" for part in (*range(2, 10), 13, 15)}
    | {"cp28591": "latin_1", "cp20127": "ascii"}
)


@lru_cache(maxsize=256)
def find_codec(label: str) -> str | None:
    """Return the name of Python's codec for a label, or None; `ascii` for one that says nothing.

    The names come from a list, not from `codecs.lookup`: that would import a module by a name out of
    the email, and accept codecs such as `punycode` whose time grows with the square of the text.
    """
    name = _without_signs(label[:_LONGEST])
    codec = _BY_LABEL.get(name) or _BY_LABEL.get(_PREFIX.sub("", name)) or _find_contained(name)
    return _LARGER.get(codec, codec) if codec else None


def _find_contained(name: str) -> str | None:
    for pattern, codec in _CONTAINED:
        if match := pattern.search(name):
            known = _BY_LABEL.get(_without_signs(codec.format(*match.groups())))
            if known:
                return known
    return None
