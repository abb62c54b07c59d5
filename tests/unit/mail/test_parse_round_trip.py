"""What Python's own composer writes, by the same standards, is read back as it was meant."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.mail.message.parse import parse_email

line = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), max_size=90)
body = st.lists(line, max_size=5).map(lambda lines: "".join(f"{text}\n" for text in lines))
encoding = st.sampled_from(["quoted-printable", "base64", "8bit"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plain=body, html=st.none() | body, attachment=st.none() | st.binary(max_size=200), encoding=encoding)
def test_bodies_are_read_back_with_any_other_parts(
    plain: str, html: str | None, attachment: bytes | None, encoding: str
) -> None:
    message = EmailMessage(SMTP)
    message.set_content(plain, cte=encoding)
    if html is not None:
        message.add_alternative(html, subtype="html", cte=encoding)
    if attachment is not None:
        message.add_attachment(attachment, "application", "octet-stream", filename="a.bin")

    mail = parse_email(message.as_bytes())

    # Before a delimiter the last line break is the delimiter's own (RFC 2046, 5.1.1).
    assert (mail.plain_text_body or "").rstrip("\n") == plain.rstrip("\n")
    assert (mail.html_body or "").rstrip("\n") == (html or "").rstrip("\n")


@settings(deadline=None)
@given(name=line.filter(str.strip), local=st.from_regex(r"[a-z]{1,9}", fullmatch=True))
def test_an_address_is_read_back_with_any_name(name: str, local: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    raw = f'From: "{quoted}" <{local}@example.com>\r\n\r\n'.encode()

    assert parse_email(raw).from_address == f"{local}@example.com"
