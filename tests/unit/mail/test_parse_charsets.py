from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.mail.message import parse_charsets
from worker.mail.message.parse_charsets import decode_text, is_valid, to_json_text


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(sorted(parse_charsets._CODECS)), st.binary(max_size=60))
def test_every_charset_reads_any_bytes(charset: str, data: bytes) -> None:
    text = to_json_text(decode_text(data, charset))

    assert text.encode().decode() == text
    assert "\0" not in text


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_undeclared_bytes_are_never_replaced(data: bytes) -> None:
    assert parse_charsets.REPLACEMENT.encode() in data or parse_charsets.REPLACEMENT not in decode_text(
        data, None
    )


@pytest.mark.parametrize(
    "label", ["rot13", "base64", "punycode", "idna", "unicode_escape", "undefined", "mbcs"]
)
def test_what_is_a_codec_but_no_charset_is_not_used(label: str) -> None:
    assert decode_text(b"a\\u0041-b", label) == "a\\u0041-b"


@pytest.mark.parametrize("label", ["", "x" * 10_000, "../os", "utf-8\0", "ä", " ", "utf.8"])
def test_a_strange_label_is_no_label(label: str) -> None:
    assert decode_text("Grüße".encode(), label) == "Grüße"


@pytest.mark.parametrize(
    "label", ["utf-8", "UTF8", "Utf_8", " utf-8 ", "'utf-8'", '"UTF-8"', "unicode-1-1-utf-8"]
)
def test_a_label_is_known_however_it_is_written(label: str) -> None:
    assert not is_valid(b"\xff", label)


def test_a_surrogate_pair_in_two_halves_is_one_character_and_a_lone_half_is_replaced() -> None:
    assert to_json_text("\ud83d\udc4b \ud83d") == "👋 \ufffd"
