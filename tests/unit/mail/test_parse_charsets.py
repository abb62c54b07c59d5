from __future__ import annotations

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.mail.message.parse_charsets import decode_text, is_valid, to_json_text
from worker.mail.message.parse_east_asian import REPLACEMENT
from worker.mail.message.parse_labels import CODECS, find_codec


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(sorted(CODECS)), st.binary(max_size=60))
def test_every_charset_reads_any_bytes(charset: str, data: bytes) -> None:
    text = to_json_text(decode_text(data, charset))

    assert text.encode().decode() == text
    assert "\0" not in text


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_undeclared_bytes_are_never_replaced_unless_they_declare_themselves(data: bytes) -> None:
    is_declared = data.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE))
    assert is_declared or REPLACEMENT.encode() in data or REPLACEMENT not in decode_text(data, None)


def test_half_a_character_behind_a_byte_order_mark_is_replaced_alone() -> None:
    assert decode_text("Grüße".encode("utf-16")[:-1], None) == "Grüß\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "label", ["rot13", "base64", "punycode", "idna", "unicode_escape", "undefined", "mbcs"]
)
def test_a_codec_that_is_no_charset_is_not_used(label: str) -> None:
    assert decode_text(b"a\\u0041-b", label) == "a\\u0041-b"


@pytest.mark.parametrize("label", ["", "x" * 10_000, "../os", "utf-8\0", "ä", " ", "utf.8"])
def test_a_strange_label_is_no_label(label: str) -> None:
    assert decode_text("Grüße".encode(), label) == "Grüße"


@pytest.mark.parametrize(
    "label", ["utf-8", "UTF8", "Utf_8", " utf-8 ", "'utf-8'", '"UTF-8"', "unicode-1-1-utf-8"]
)
def test_a_label_is_known_however_it_is_written(label: str) -> None:
    assert not is_valid(b"\xff", label)


@pytest.mark.parametrize("label", ["utf-8", "us-ascii", None])
def test_utf_8_of_surrogate_pairs_is_read(label: str | None) -> None:
    data = "Grüße \ud83d\udc4b".encode("utf-8", "surrogatepass")
    assert to_json_text(decode_text(data, label)) == "Grüße 👋"


def test_a_surrogate_pair_in_two_halves_is_one_character_and_a_lone_half_is_replaced() -> None:
    assert to_json_text("\ud83d\udc4b \ud83d") == "👋 \ufffd"


@pytest.mark.parametrize(
    ("label", "data", "text"),
    [
        ("big5", b"\xf9\xd6\xa3\xe1\x87\xdc", "碁€𪷿"),
        ("big5-hkscs", b"\x88\x62\x87\x7a", "Ê̄㡵"),
        ("cp950", b"\xa1\x45", "‧"),
        ("gb2312", b"\x80\xa8\xbc\xfe\x59", "€ḿ龴"),
        ("gbk", b"\x81\x40", "丂"),
        ("ks_c_5601-1987", b"\x81\x41", "갂"),
        ("shift_jis", b"\x87\x40\xfa\xb1", "①﨑"),
        ("x-sjis", b"\x81\x60", "\uff5e"),
        ("euc-jp", b"\xad\xa1\x8e\xb1\xa1\xc1\xfc\xfc", "①ｱ\uff5e￤"),
        ("eucJP-ms", b"\xad\xea\xf9\xa1", "㈱纊"),
        ("iso-2022-jp", b"\x1b$B-j\x1b(I1\x1b(J\\\x1b(B~", "㈱ｱ¥~"),
        ("iso-2022-jp", b"\x1b$@F|K\\\n\x1b(Bx", "日本\nx"),
        ("cp50221", b"\x1b$B-!\x1b(B", "①"),
        ("iso-2022-kr", b"\x1b$)C\x0e0!\x0f", "가"),
        ("big5", b"\xa1\xfe\xa2\x41\xa2\x42\x5c\xa4\xa2\x41", "\uff0f\u2215\ufe68\\丐A"),
        ("euc-jp", b"\x8f\xa2\xb7\xa1\xff", "\uff5e\ufffd"),
        ("shift_jis", b"\xa0\xfd", "\ufffd\ufffd"),
        ("koi8-u", b"\xae\xbe", "ўЎ"),
        ("windows-1255", b"\xca", "\u05ba"),
        ("windows-1251", b"\x98", "\x98"),
        ("iso-8859-9", b"\x80\xdd", "€İ"),
        ("tis-620", b"\x80\xa1", "€ก"),
        ("utf-16", b"\0a\0b", "ab"),
        ("utf-16", b"a\0b\0", "ab"),
        ("utf-16", b"plain", "plain"),
        ("utf-16", b"Gr\xf6\xdfe, ja!", "Größe, ja!"),
        ("utf-16be", "\u65e5\u672c\u8a9e".encode("utf-16-be"), "\u65e5\u672c\u8a9e"),
        ("gbk", "中文内容测试一二三".encode(), "中文内容测试一二三"),
        ("windows-1252", "Größe €".encode(), "Größe €"),
        ("koi8-r", "Größe".encode(), "Größe"),
        ("iso-8859-1", b"\x1b$B-j\x1b(B", "㈱"),
    ],
)
def test_octets_mean_what_the_encoding_standard_says(label: str, data: bytes, text: str) -> None:
    assert decode_text(data, label) == text


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("windows1251", "cp1251"),
        ("cp-1251", "cp1251"),
        ("win-1251", "cp1251"),
        ("CL8MSWIN1251", "cp1251"),
        ("WE8MSWIN1252", "cp1252"),
        ("WE8ISO8859P15", "iso8859_15"),
        ("ISO 8859-2", "iso8859_2"),
        ("8859-1", "cp1252"),
        ("iso-8859-1:1987", "cp1252"),
        ("ansi_x3.110-1983", "cp1252"),
        ("iso-8859-8-i", "iso8859_8"),
        ("iso-ir-149", "cp949"),
        ("x-mac-ukrainian", "mac_cyrillic"),
        ("windows-31j", "cp932"),
        ("gb-2312", "gb18030"),
        ("utf8mb4", "utf_8"),
        ("cp65001", "utf_8"),
        ("MS-EE", "cp1250"),
        ("ms-cyrl", "cp1251"),
        ("WinBaltRim", "cp1257"),
        ("IBM00858", "cp858"),
        ("Cp943C", "cp932"),
        ("x-unknown", None),
        ("unknown-8bit", None),
    ],
)
def test_labels_and_their_near_misses_are_known(label: str, codec: str | None) -> None:
    assert find_codec(label) == codec
