"""Whatever the bytes are, there is an answer: of the right types, ready for JSON, in bounded time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from worker.mail.message.parse import (
    ParsedHeaders,
    normalize_message_id,
    parse_email,
    parse_headers,
    searchable_texts,
)
from worker.models.email import ReadEmail

CORPUS = Path(__file__).parents[2] / "data" / "mails"
GOOD_MAILS = [path.read_bytes() for path in sorted(CORPUS.glob("*.eml"))]

# What structure is made of, so that arbitrary bytes meet the parser's branches and not only its first line.
FRAGMENTS = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"<",
        b">",
        b"(",
        b")",
        b'"',
        b"\\",
        b"@",
        b"=",
        b"?",
    ),
    *(
        b"--",
        b"--b",
        b"--b--",
        b"=?",
        b"?=",
        b"=?utf-8?q?",
        b"=?utf-7?b?",
        b"=?iso-2022-jp?b?",
        b"\0",
        b"\xff",
    ),
    *(
        b"From: ",
        b"To: ",
        b"Subject: ",
        b"Date: ",
        b"Message-ID: ",
        b"Received: ",
        b"; boundary=b",
        b"; charset=",
    ),
    *(b"Content-Type: text/plain", b"Content-Type: text/html", b"Content-Type: multipart/mixed; boundary=b"),
    *(
        b"Content-Type: multipart/alternative",
        b"Content-Type: message/rfc822",
        b"Content-Type: multipart/digest",
    ),
    *(
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: quoted-printable",
        b"utf-16",
        b"+2D0-",
    ),
    *(
        b"Content-Disposition: attachment; filename*0*=utf-8''%ff",
        b"9999",
        b"31 Dec 9999 23:59:59 -2359",
        b"\xc3",
    ),
)
mail_like = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=6), max_size=40).map(b"".join)


@st.composite
def damaged_mails(draw: st.DrawFn) -> bytes:
    """A good mail, cut, with octets changed, put in and taken out."""
    raw = bytearray(draw(st.sampled_from(GOOD_MAILS)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 20)))
        raw[start:end] = draw(st.binary(max_size=8) | st.sampled_from(FRAGMENTS))
    return bytes(raw[: draw(st.integers(0, len(raw)))] if draw(st.booleans()) else raw)


generous = settings(
    max_examples=400, deadline=timedelta(seconds=10), suppress_health_check=[HealthCheck.too_slow]
)


@generous
@given(st.binary() | mail_like)
@example(b"Date: 31 Dec 9999 23:59:59 -2359\n\n")
@example(b"Date: 1 Jan 0001 00:00:00 +2359\n\n")
@example(b"Content-Type: text/plain; charset=utf-16\n\n\xd8\n")
def test_any_bytes_have_a_reading(raw: bytes) -> None:
    assert_sound(raw)


@generous
@given(damaged_mails())
@example(b'From: <@a: "b"@c>\n\n')
@example(b"From: a@[1\x0b\n\n")
def test_any_damaged_mail_has_a_reading(raw: bytes) -> None:
    assert_sound(raw)


@generous
@given(st.text(max_size=40), st.binary(max_size=40))
def test_any_charset_label_has_a_reading(label: str, body: bytes) -> None:
    head = f'Content-Type: text/plain; charset="{label}"\n\n'.encode("utf-8", "replace")

    assert_sound(head + body)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), max_size=80))
def test_a_subject_that_python_encodes_is_read_back(subject: str) -> None:
    from email.header import Header  # noqa: PLC0415 - only here: the other side of the same standard

    raw = b"Subject: " + Header(subject, "utf-8").encode(linesep="\r\n").encode() + b"\r\n\r\n"

    assert parse_email(raw).subject == subject.strip()


def assert_sound(raw: bytes) -> None:
    mail = parse_email(raw)
    texts = list(searchable_texts(raw))

    assert mail.size == len(raw)
    summary = parse_headers(raw)
    assert_summary_is_sound(summary)
    assert_same(mail, summary)
    for text in (mail.plain_text_body, mail.html_body):
        assert text is None or isinstance(text, str)
    strings = [
        mail.plain_text_body,
        mail.html_body,
        *texts,
        *(text for each in mail.headers for text in (each.header, each.value)),
    ]
    written = json.dumps([strings, str(summary)], ensure_ascii=False)
    assert written.encode("utf-8")
    assert "\\u0000" not in written


def assert_same(mail: ReadEmail, summary: ParsedHeaders) -> None:
    """Assert that a whole email is read as its header alone is."""
    for name in ("message_id", "from_address", "subject", "sent_date", "to_addresses", "cc_addresses"):
        assert getattr(mail, name) == getattr(summary, name)
    assert mail.received_date_time == summary.received_date


def assert_summary_is_sound(summary: ParsedHeaders) -> None:
    for text in (summary.message_id, summary.subject):
        assert text is None or isinstance(text, str)
    if summary.message_id is not None:
        assert normalize_message_id(summary.message_id)
    senders = () if summary.from_address is None else (summary.from_address,)
    for address in (*senders, *summary.to_addresses, *summary.cc_addresses):
        assert address == address.strip()
        assert address
    for moment in (summary.sent_date, summary.received_date):
        assert moment is None or (isinstance(moment, datetime) and moment.tzinfo is UTC)


@pytest.mark.parametrize(
    "text",
    [
        "<a@example.com>",
        "a@example.com",
        " <a@example.com>\r\n",
        "<a@\r\n example.com>",
        "<a@example.com> (relayed)",
    ],
)
def test_a_message_id_is_the_same_however_it_is_written(text: str) -> None:
    assert normalize_message_id(text) == "a@example.com"


def test_message_ids_differ_by_letter_case() -> None:
    assert normalize_message_id("<A@example.com>") != normalize_message_id("<a@example.com>")
