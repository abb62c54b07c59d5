from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from worker.mail.message.compose import compose_message
from worker.mail.message.parse import parse_email
from worker.mail.message.parse_attachments import read_attachments
from worker.models.documents import File
from worker.models.smtp import SendParameters

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
MAIL = {"from": "ann@example.org", "to": "bob@example.org", "subject": "Hello", "body": "Hello Bob"}
PDF = File("Bill.pdf", "application/pdf", b"%PDF-1.7 \x00\xff\r\n.\r\n")


def composed(*files: File, **changes: Any) -> bytes:
    parameters = SendParameters.model_validate({**MAIL, **changes})
    return compose_message(parameters, reference="job-1", date=AT, files=files).content


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_without_files_is_as_before() -> None:
    assert b"multipart/mixed" not in composed()


def test_a_file_comes_out_as_it_went_in() -> None:
    message = parsed(composed(PDF))
    body = message.get_body()
    assert body is not None
    assert body.get_content() == "Hello Bob\r\n"
    (attachment,) = message.iter_attachments()
    assert attachment.get_content() == PDF.content
    assert (attachment.get_filename(), attachment.get_content_type()) == ("Bill.pdf", "application/pdf")
    assert attachment.get_content_disposition() == "attachment"


def test_text_and_html_stay_alternatives_next_to_the_files() -> None:
    files = (PDF, File("b.txt", "text/plain", b"b"))
    message = parsed(composed(*files, contentType="MULTIPART", htmlBody="<p>Hello</p>"))
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "multipart/alternative",
        "application/pdf",
        "text/plain",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "a b.pdf",
        "Grüße.pdf",
        "Rechnung für März 2024 (Kopie) an die Geschäftsführung, mit allen Anlagen und Belegen.pdf",
        'say "hi".txt',
        "back\\slash.txt",
        "100 % =?utf-8?q?no?=.txt",
        "日本語の長い名前" * 10 + ".txt",
        "x" * 180 + ".pdf",
        "it's.txt",
        "a\u2028b\x85c.txt",
    ],
)
def test_any_name_survives(name: str) -> None:
    raw = composed(File(name, "text/plain", b"x"))
    (attachment,) = parsed(raw).iter_attachments()
    assert attachment.get_filename() == name
    assert max(len(line) for line in raw.split(b"\r\n")) <= 78
    assert raw.isascii()


def test_the_workers_reader_reads_its_own_emails() -> None:
    files = (PDF, File("Grüße.txt", "text/plain", "Grüße".encode()))
    raw = composed(*files)
    assert tuple(read_attachments(raw)) == files
    assert parse_email(raw).plain_text_body == "Hello Bob\n"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8"),
        ('text/calendar; method="REQUEST"; name=a.ics', "text/calendar; method=REQUEST"),
        ("text/calendar; Charset=UTF-8; METHOD=reply", "text/calendar; charset=UTF-8; method=reply"),
        ("message/rfc822", "application/octet-stream"),
        ("multipart/mixed; boundary=x", "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
        ("a" * 127 + "/" + "b" * 127, "a" * 127 + "/" + "b" * 127),
        ("a/" + "b" * 128, "application/octet-stream"),
        ("text/plain\r\nX-Evil: 1", "application/octet-stream"),
        ("text/plain; charset=utf-8\r\nX-Evil: 1", "text/plain; charset=utf-8"),
        ("", "application/octet-stream"),
    ],
)
def test_a_content_type_is_written_only_as_far_as_it_is_one(given: str, written: str) -> None:
    raw = composed(File("a", given, b"x"))
    assert f"Content-Type: {written}\r\n".encode() in raw
    assert b"X-Evil" not in raw


def test_no_content_can_end_its_part() -> None:
    boundary = re.search(rb'multipart/mixed;\s+boundary="(=_\w+)"', composed(PDF))
    assert boundary is not None
    text = f"Hello\n--{boundary[1].decode()}--\nBob"
    message = parsed(composed(PDF, File("b", "text/plain", b"--" + boundary[1]), body=text))
    assert len(list(message.iter_attachments())) == 2


def test_every_attempt_gives_the_same_octets() -> None:
    assert composed(PDF) == composed(PDF)


def test_every_line_ends_with_carriage_return_and_line_feed() -> None:
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", composed(PDF, File("b", "text/plain", b"\n\r" * 500)))


def test_an_empty_file_is_a_file() -> None:
    (attachment,) = parsed(composed(File("empty.txt", "text/plain", b""))).iter_attachments()
    assert attachment.get_content().strip() == ""


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=120).map(str.strip))
def test_any_name_at_all_survives(name: str) -> None:
    # What stands in quotes or angle brackets comes out of the standard library's reader without them.
    assume(name and (name[0], name[-1]) not in {('"', '"'), ("<", ">")})
    (attachment,) = parsed(composed(File(name, "text/plain", b"x"))).iter_attachments()
    assert attachment.get_filename() == name


@settings(deadline=None)
@given(st.binary(max_size=500), st.binary(max_size=500))
def test_any_octets_survive(first: bytes, second: bytes) -> None:
    files = (File("a", "application/x-a", first), File("b", "application/x-b", second))
    assert tuple(read_attachments(composed(*files))) == files


LOGO = File("logo.png", "image/png", b"\x89PNG", content_id="logo@x")


def types_of(message: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in message.walk()]


@pytest.mark.parametrize(
    ("fields", "types"),
    [
        ({"contentType": "HTML"}, ["multipart/related", "text/html", "image/png"]),
        (
            {"contentType": "MULTIPART", "body": "Hello"},
            ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"],
        ),
    ],
)
def test_an_image_with_a_content_id_goes_with_the_html(fields: dict[str, Any], types: list[str]) -> None:
    mail = {**fields, "htmlBody": '<img src="cid:logo@x">', "body": fields.get("body")}
    message = parsed(composed(LOGO, **mail))
    assert types_of(message) == types
    image = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert (image["Content-ID"], image.get_content_disposition()) == ("<logo@x>", "inline")
    assert types_of(parsed(composed(PDF, LOGO, **mail))) == ["multipart/mixed", *types, "application/pdf"]
    (listed,) = read_attachments(composed(LOGO, **mail))
    assert (listed.content, listed.content_id) == (LOGO.content, "logo@x")


def test_without_html_an_image_is_attached() -> None:
    assert types_of(parsed(composed(LOGO))) == ["multipart/mixed", "text/plain", "image/png"]
