"""Large and hostile mails: no recursion, no second copy, no time that grows with the square."""

from __future__ import annotations

import tracemalloc

import pytest
from testkit.work import LINEAR, TIMES_LARGER, growth_of

from worker.mail.message.parse import parse_email, searchable_texts
from worker.mail.message.parse_addresses import read_addresses
from worker.models.email import Header

MEGABYTE = 1_000_000
ATTACHMENT = b"".join(
    (
        b"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n",
        b"--b\r\n\r\nsee the file\r\n",
        b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        b"JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZUQ\r\n" * 650_000,
        b"--b--\r\n",
    )
)

# What a processor does between two looks at its clock, so that tasks of no work at all can be compared.
# Each repeated to half a megabyte: a time that grows with the square would be minutes.
HOSTILE = {
    "fields": (b"", b"a:\n", b"\nx"),
    "folds": (b"Subject: x", b"\n x", b"\n\n"),
    "lines that are no field": (b"Subject: x\n", b"g\nX:\n", b"\n"),
    "words": (b"Subject: ", b"=?utf-8?q?a=C3=A4?= ", b"\n\n"),
    "words that never end": (b"Subject: ", b"=?a?q?x ", b"\n\n"),
    "words split in base64": (b"Subject: ", b"=?utf-8?b?4p?= ", b"\n\n"),
    "unknown charsets": (b"Subject: ", b"=?x?q?x?= =?y?q?y?= ", b"\n\n"),
    "addresses": (b"To: ", b"Joe <joe@example.com>, ", b"\n\n"),
    "comments never closed": (b"To: ", b"(", b"\n\n"),
    "comments in comments": (b"To: ", b"(", b")" * 500_000 + b"\n\n"),
    "quotes never closed": (b"To: ", b'"\\', b"\n\n"),
    "escaped quotes": (b"To: ", b'\\"', b"\n\n"),
    "pieces of one mailbox": (b"To: ", b"a(b)", b"@x\n\n"),
    "angle brackets": (b"To: ", b"<a ", b"\n\n"),
    "square brackets": (b"To: ", b"[", b"\n\n"),
    "words among addresses": (b"To: ", b"=?a?q?", b"\n\n"),
    "an address in quotes": (b'To: "', b"a", b'"\n\n'),
    "blanks": (b"To: a", b" ", b"@ x\n\n"),
    "parameters": (b"Content-Type: text/plain", b"; a=b", b"\n\n"),
    "parameter segments": (b"Content-Type: text/plain; ", b"a*1", b"=x\n\n"),
    "parameter quotes": (b"Content-Type: text/plain", b'; a="\\', b"\n\n"),
    "message ids": (b"Message-ID: ", b"<", b"\n\n"),
    "a date": (b"Date: ", b"(", b"\n\n"),
    "boundary lines": (b"Content-Type: multipart/mixed; boundary=b\n\n", b"--\n", b""),
    "boundary lines with fields": (b"Content-Type: multipart/mixed\n\n", b"--x\nContent-\n", b""),
    "parts": (b"Content-Type: multipart/mixed; boundary=b\n\n", b"--b\n\nx\n", b""),
    "levels": (b"", b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b""),
    "attached messages": (b"", b"Content-Type: message/rfc822\n\n", b""),
    "quoted-printable blanks": (b"Content-Transfer-Encoding: quoted-printable\n\n", b" ", b"x"),
    "quoted-printable equals": (b"Content-Transfer-Encoding: quoted-printable\n\n", b"=\r", b"x"),
    "base64 chunks": (b"Content-Transfer-Encoding: base64\n\n", b"AA==", b""),
    "punycode": (b"Content-Type: text/plain; charset=punycode\n\n", b"a-b", b""),
    "blank lines first": (b" ", b"\n ", b"x: y\n\n"),
    "indented names": (b" ", b"a", b":\n\n"),
    "blanks before a colon": (b"a", b" ", b"b\n\n"),
    "dates": (b"Date: ", b"2 ", b"\n\n"),
    "zones": (b"Date: ", b"10:30 +", b"\n\n"),
    "parameter blanks": (b"Content-Type: a", b" ", b"b=c\n\n"),
    "uuencoded beginnings": (b"Content-Transfer-Encoding: x-uuencode\n\n", b"begin 644 ", b""),
    "big5 errors": (b"Content-Type: text/plain; charset=big5\n\n", b"\xff", b""),
    "escapes": (b"Content-Type: text/plain\n\n", b"\x1b$B", b""),
    "meta elements": (b"Content-Type: text/html\n\n", b"<meta ", b""),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostility_is_read_in_linear_time(name: str) -> None:
    start, repeated, end = HOSTILE[name]
    large = start + repeated * (MEGABYTE // 2 // len(repeated)) + end
    small = start + repeated * (MEGABYTE // 2 // len(repeated) // TIMES_LARGER) + end

    assert growth_of(lambda: parse_email(small), lambda: parse_email(large)) < LINEAR


def test_a_mail_with_an_attachment_of_50_mb_is_read_without_a_second_copy() -> None:
    tracemalloc.start()
    mail = parse_email(ATTACHMENT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert mail.plain_text_body == "see the file"
    assert mail.size == len(ATTACHMENT) > 50 * MEGABYTE
    assert peak < MEGABYTE


@pytest.mark.parametrize("text", ["hello\r\n", "h\u00e4llo \U0001f600\r\n"])
def test_of_50_mb_of_text_only_as_much_is_decoded_as_camunda_accepts(text: str) -> None:
    line = text.encode()
    raw = b"Subject: log\r\n\r\n" + line * (50 * MEGABYTE // len(line))
    tracemalloc.start()
    mail = parse_email(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert mail.truncated  # or POP3 would delete what is not all there
    assert mail.plain_text_body is not None
    assert len(mail.plain_text_body.encode()) > 10 * MEGABYTE
    assert set(mail.plain_text_body.split("\n")) == {text.strip(), ""}
    assert peak < 4 * len(raw)


def test_a_text_that_is_over_in_several_parts_is_cut_too() -> None:
    part = b"--b\n\n" + b"hello\n" * MEGABYTE
    mail = parse_email(b"Content-Type: multipart/mixed; boundary=b\n\n" + part * 3)

    assert mail.truncated
    assert mail.plain_text_body is not None
    assert 16 * MEGABYTE < len(mail.plain_text_body) < 17 * MEGABYTE
    assert not parse_email(b"Content-Type: multipart/mixed; boundary=b\n\n" + part * 2).truncated


def test_a_search_does_not_decode_the_attachment() -> None:
    assert list(searchable_texts(ATTACHMENT)) == ["see the file"]


def test_a_search_looks_at_what_a_report_says_about_the_delivery() -> None:
    report = (
        b"Content-Type: multipart/report; boundary=b\n\n--b\n\nsorry\n--b\nContent-Type: message/%b\n\n%b"
    )
    for kind in (b"delivery-status", b"disposition-notification"):
        raw = report % (kind, b"Final-Recipient: rfc822; jane@example.org\n--b--\n")
        assert list(searchable_texts(raw)) == ["sorry", "Final-Recipient: rfc822; jane@example.org"]
        assert parse_email(raw).plain_text_body == "sorry"


def test_text_is_found_under_a_thousand_levels() -> None:
    levels = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1000))

    assert parse_email(levels + b"\ndeep\n").plain_text_body == "deep\n"


def test_text_is_found_in_a_thousand_attached_messages_by_a_search_alone() -> None:
    raw = b"Content-Type: message/rfc822\n\n" * 1000 + b"\ndeep\n"

    assert parse_email(raw).plain_text_body is None
    assert list(searchable_texts(raw)) == ["deep\n"]


def test_parts_after_the_ten_thousandth_are_left_out_and_not_read_as_its_text() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 10_100

    assert list(searchable_texts(raw)) == ["x"] * 9_999


def test_ten_thousand_fields_are_all_there() -> None:
    raw = b"".join(b"X-%d: value %d\r\n" % (number, number) for number in range(10_000)) + b"\r\nbody"

    mail = parse_email(raw)

    assert len(mail.headers) == 10_000
    assert mail.headers[-1] == Header(header="X-9999", value="value 9999")
    assert mail.plain_text_body == "body"


def test_ten_thousand_recipients_are_all_there() -> None:
    raw = (
        b"To: "
        + b", ".join(b"R %d <r%d@example.com>" % (number, number) for number in range(10_000))
        + b"\n\n"
    )

    assert parse_email(raw).to_addresses[-1] == "r9999@example.com"


def test_of_a_field_of_fifty_megabytes_the_first_addresses_are_read() -> None:
    addresses = read_addresses(b"joe@example.com, " * 3_000_000)
    assert len(addresses) == pytest.approx(1024 * 1024 / len("joe@example.com, "), abs=1)
    assert set(addresses[:-1]) == {"joe@example.com"}
