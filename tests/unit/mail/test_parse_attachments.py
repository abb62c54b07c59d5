from __future__ import annotations

import tracemalloc
from email.message import EmailMessage
from itertools import islice
from pathlib import Path

import pytest

from worker.mail.message.parse_attachments import list_attachments, read_attachments

MEGABYTE = 1_000_000
MAILS = sorted((Path(__file__).parent.parent.parent / "data" / "mails").glob("*.eml"))


def multipart(*parts: bytes) -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body + b"--b--\r\n"


def attached(*headers: str, content: bytes = b"x") -> bytes:
    return "\r\n".join(headers).encode("latin_1") + b"\r\n\r\n" + content


def names(*headers: str) -> list[str]:
    return [file.name for file in read_attachments(multipart(b"\r\ntext", attached(*headers)))]


def test_a_mail_of_text_alone_has_no_attachments() -> None:
    message = EmailMessage()
    message.set_content("Hello")
    message.add_alternative("<p>Hello</p>", subtype="html")
    assert list(read_attachments(message.as_bytes())) == []
    assert list(read_attachments(b"Subject: Hi\r\n\r\nHello\r\n")) == []


def test_a_file_comes_with_its_name_its_type_and_its_octets() -> None:
    message = EmailMessage()
    message.set_content("see the file")
    message.add_attachment(b"%PDF\x00\xff", "application", "pdf", filename="Rechnung für März.pdf")
    message.add_attachment("a;b\r\n", subtype="csv", filename="list.csv")
    pdf, csv = read_attachments(message.as_bytes())
    assert (pdf.name, pdf.content_type, pdf.content) == (
        "Rechnung für März.pdf",
        "application/pdf",
        b"%PDF\x00\xff",
    )
    assert (csv.name, csv.content_type, csv.content.strip()) == ("list.csv", "text/csv", b"a;b")


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("base64", b"JVBERg=="),
        ('"Base64"; charset=utf-8', b"JVBERg=="),
        ("base-64 (by hand)", b"JVBERg=="),
        ("Quoted-Printable", b"=25PDF"),
        ("quotedprintable", b"=25PDF"),
        ("x-uuencode", b"begin 644 a\n$)5!$1@\n`\nend\n"),
        ("UUE", b"begin 644 a\n$)5!$1@\n`\nend\n"),
        ("8-bit", b"%PDF"),
        ("rot13", b"%PDF"),
    ],
)
def test_an_encoding_is_known_by_its_letters_and_digits(encoding: str, content: bytes) -> None:
    part = attached(
        "Content-Type: application/pdf", f"Content-Transfer-Encoding: {encoding}", content=content
    )
    (pdf,) = read_attachments(multipart(b"\r\ntext", part))
    assert pdf.content == b"%PDF"


def test_an_image_within_the_text_is_an_attachment_too() -> None:
    message = EmailMessage()
    message.set_content('<img src="cid:1">', subtype="html")
    message.add_related(b"\x89PNG", "image", "png", cid="<1>", disposition="inline")
    assert [(file.name, file.content) for file in read_attachments(message.as_bytes())] == [
        ("attachment-1.png", b"\x89PNG")
    ]


def test_an_attached_message_with_any_content_is_one_file() -> None:
    inner = multipart(b"\r\ninner text", attached("Content-Type: application/pdf", content=b"pdf"))
    (message,) = read_attachments(
        multipart(b"\r\ntext", b"Content-Type: message/rfc822\r\n\r\nSubject: Inner\r\n" + inner)
    )
    assert (message.name, message.content_type) == ("attachment-1.eml", "message/rfc822")
    assert message.content.startswith(b"Subject: Inner\r\n")
    assert b"inner text" in message.content


def test_a_mail_that_is_a_file_has_that_one() -> None:
    raw = (
        b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n"
    )
    assert [(file.name, file.content) for file in read_attachments(raw)] == [("a.pdf", b"%PDF")]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        (('Content-Disposition: attachment; filename="a b.pdf"',), "a b.pdf"),
        (("Content-Type: application/pdf; name=a.pdf", "Content-Disposition: attachment"), "a.pdf"),
        (("Content-Disposition: attachment; filename*=UTF-8''%e2%82%ac.pdf",), "€.pdf"),
        (("Content-Disposition: attachment; filename*0*=UTF-8''%e2%82; filename*1*=%ac.pdf",), "€.pdf"),
        (('Content-Disposition: attachment; filename="=?utf-8?b?4oKsLnBkZg==?="',), "€.pdf"),
        (('Content-Disposition: attachment; filename="caf\xe9.pdf"',), "café.pdf"),
        (("Content-Disposition: attachment; filename*=iso-8859-1''caf%e9.pdf",), "café.pdf"),
        (("Content-Disposition: attachment; filename='a b.pdf'",), "a b.pdf"),
        (('Content-Disposition: attachment; filename="../../etc/passwd"',), "passwd"),
        (('Content-Disposition: attachment; filename="C:\\\\docs\\\\a.pdf"',), "a.pdf"),
        (("Content-Disposition: attachment; filename*=UTF-8''a%0d%0ab%7f.pdf",), "ab.pdf"),
        (('Content-Disposition: attachment; filename=".."',), "attachment-1.txt"),
        (("Content-Type: application/pdf",), "attachment-1.pdf"),
        (("Content-Type: application/x-unheard-of",), "attachment-1"),
    ],
)
def test_a_name_is_read_as_senders_write_it_and_leads_nowhere(headers: tuple[str, ...], name: str) -> None:
    assert names(*headers) == [name]


def test_a_very_long_name_keeps_its_end() -> None:
    (name,) = names(f'Content-Disposition: attachment; filename="{"x" * 5_000}.pdf"')
    assert len(name) == 200
    assert name.endswith(".pdf")


def test_attachments_are_decoded_one_at_a_time() -> None:
    line = b"JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZUQ\r\n"
    file = attached(
        "Content-Type: application/pdf", "Content-Transfer-Encoding: base64", content=line * 64_000
    )
    raw = multipart(*[file] * 10)

    tracemalloc.start()
    sizes = [len(file.content) for file in read_attachments(raw)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(sizes) == 10
    assert len(raw) > 45 * MEGABYTE
    # Some times one file, not ten.
    assert peak < 30 * MEGABYTE


def test_parts_that_are_not_requested_are_not_decoded() -> None:
    raw = multipart(*[attached("Content-Type: application/pdf", content=b"x" * MEGABYTE)] * 20)

    tracemalloc.start()
    first = list(islice(read_attachments(raw), 1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(first[0].content) == MEGABYTE
    assert peak < 5 * MEGABYTE


@pytest.mark.parametrize("mail", MAILS, ids=lambda path: path.stem)
def test_every_mail_of_the_corpus_has_an_answer(mail: Path) -> None:
    for file in read_attachments(mail.read_bytes()):
        assert file.name.isprintable() or not any(character < " " for character in file.name)
        assert file.name not in ("", ".", "..")
        assert "/" not in file.name
        assert "/" in file.content_type


@pytest.mark.parametrize("mail", MAILS, ids=lambda path: path.stem)
def test_attachments_are_listed_as_they_are_read(mail: Path) -> None:
    raw = mail.read_bytes()
    listed = [(each.name, each.content_type, each.size, each.content_id) for each in list_attachments(raw)]
    read = [
        (file.name, file.content_type, len(file.content), file.content_id) for file in read_attachments(raw)
    ]
    assert listed == read


@pytest.mark.parametrize(
    "content",
    [
        b"QUJD",
        b"QUI=",
        b"QQ==\r\n",
        b"QUJDR",
        b"QUI=QUJD",
        b"Q U J D",
        b"no base64!",
        b"QUJD\r\n--\r\nfooter",
        b"",
    ],
)
def test_the_size_of_base64_is_what_it_decodes_to(content: bytes) -> None:
    raw = multipart(
        b"\r\ntext", attached("Content-Type: a/b", "Content-Transfer-Encoding: base64", content=content)
    )
    (listed,), (read,) = list_attachments(raw), read_attachments(raw)
    assert listed.size == len(read.content)


@pytest.mark.parametrize(
    ("written", "content_id"),
    [("<logo@x>", "logo@x"), ("logo", "logo"), ("<a b>", None), ("<l\xf6go>", None)],
)
def test_a_content_id_is_told_if_it_can_be_sent_again(written: str, content_id: str | None) -> None:
    raw = multipart(b"\r\ntext", attached("Content-Type: image/png", f"Content-ID: {written}"))
    assert [each.content_id for each in list_attachments(raw)] == [content_id]
    assert [each.content_id for each in read_attachments(raw)] == [content_id]
