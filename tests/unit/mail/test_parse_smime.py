"""S/MIME by OpenSSL: signed without a key to read it, encrypted, one in the other, wrapped by a list."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from worker.mail.message.parse import parse_email, searchable_texts
from worker.mail.message.parse_attachments import read_attachments

INNER = (
    b"Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"Gr\xc3\xbc\xc3\x9fe\r\n--q\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nPDF\r\n--q--\r\n"
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ann"]
    subprocess.run(
        [*command, "-keyout", "key.pem", "-out", "ann.pem"], cwd=folder, check=True, capture_output=True
    )
    return folder


def made(keys: Path, content: bytes, *words: str) -> bytes:
    run = subprocess.run(["openssl", "cms", *words], input=content, cwd=keys, check=True, capture_output=True)
    return run.stdout


def signed(keys: Path, content: bytes, *words: str) -> bytes:
    return made(keys, content, "-sign", *words, "-signer", "ann.pem", "-inkey", "key.pem")


def encrypted(keys: Path, content: bytes, *words: str) -> bytes:
    return made(keys, content, "-encrypt", *words, "ann.pem")


@pytest.mark.parametrize("words", [["-nodetach"], ["-nodetach", "-stream"], []])
def test_a_signed_mail_is_read_without_a_key(keys: Path, words: list[str]) -> None:
    raw = b"Subject: order\r\n" + signed(keys, INNER, *words)

    mail = parse_email(raw)

    assert (mail.plain_text_body, mail.smime, mail.subject) == ("Grüße", "signed", "order")
    assert "a.pdf" in [file.name for file in read_attachments(raw)]
    assert "Grüße" in list(searchable_texts(raw))


@pytest.mark.parametrize("name", ["CMS", "PKCS7", "PKCS #7 SIGNED DATA"])
@pytest.mark.parametrize("encoding", ["7bit", "base64", "twice"])
@pytest.mark.parametrize("kind", ["application/pkcs7-mime", "application/cms"])
def test_signed_data_in_armour_is_read(keys: Path, name: str, encoding: str, kind: str) -> None:
    armour = signed(keys, INNER, "-nodetach", "-outform", "PEM").replace(b" CMS-", b" %b-" % name.encode())
    content = base64.encodebytes(armour) if encoding == "twice" else armour
    head = f"Content-Type: {kind}; name=x\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    raw = head.replace("twice", "base64").encode() + content

    assert (parse_email(raw).plain_text_body, parse_email(raw).smime) == ("Grüße", "signed")


def test_encrypted_data_in_armour_says_so(keys: Path) -> None:
    raw = b"Content-Type: application/pkcs7-mime\r\n\r\n" + encrypted(keys, INNER, "-outform", "PEM")

    assert (parse_email(raw).plain_text_body, parse_email(raw).smime) == (None, "encrypted")


@pytest.mark.parametrize("words", [["-aes256"], ["-aes-256-gcm"]])
def test_an_encrypted_mail_says_so_and_has_no_text(keys: Path, words: list[str]) -> None:
    raw = encrypted(keys, INNER, *words)

    mail = parse_email(raw)

    assert (mail.plain_text_body, mail.html_body, mail.smime) == (None, None, "encrypted")
    assert [file.name for file in read_attachments(raw)] == ["smime.p7m"]


def test_an_encrypted_mail_that_was_signed_afterwards_is_encrypted(keys: Path) -> None:
    assert parse_email(signed(keys, encrypted(keys, INNER), "-nodetach")).smime == "encrypted"


def test_a_mail_that_was_signed_twice_is_read(keys: Path) -> None:
    assert parse_email(signed(keys, signed(keys, INNER, "-nodetach"), "-nodetach")).plain_text_body == "Grüße"


def test_a_signed_mail_with_the_text_of_a_mailing_list_is_read(keys: Path) -> None:
    part = signed(keys, INNER, "-nodetach")
    raw = (
        b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
        + part
        + b"\r\n--o\r\n\r\nlist\r\n--o--\r\n"
    )

    assert (parse_email(raw).plain_text_body, parse_email(raw).smime) == ("Grüße\nlist", "signed")


def test_signed_data_that_is_attached_stays_a_file(keys: Path) -> None:
    part = signed(keys, INNER, "-nodetach")
    raw = (
        b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nsee\r\n--o\r\n"
        + part
        + b"\r\n--o--\r\n"
    )

    assert (parse_email(raw).plain_text_body, parse_email(raw).smime) == ("see", None)
    assert [file.name for file in read_attachments(raw)] == ["smime.p7m"]


@pytest.mark.parametrize("damage", [b"", b"MIIB", b"MIAGCSqGSIb3DQEHAqCA", b"\xff"])
def test_smime_that_cannot_be_opened_stays_a_file(damage: bytes) -> None:
    raw = b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n\r\n" + damage

    assert (parse_email(raw).plain_text_body, parse_email(raw).smime) == (None, None)
    assert [file.name for file in read_attachments(raw)] == ["smime.p7m"]


def test_an_octet_more_or_less_raises_nothing(keys: Path) -> None:
    raw = signed(keys, INNER, "-nodetach", "-outform", "DER")
    head = (
        b"Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    )
    for position in range(0, len(raw), 7):
        parse_email(head + raw[:position])
        parse_email(head + raw[:position] + b"\x80" + raw[position + 1 :])
