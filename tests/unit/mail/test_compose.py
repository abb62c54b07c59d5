from __future__ import annotations

import re
import string
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.mail.message.compose import ComposedMessage, compose_message
from worker.mail.message.parse import parse_email
from worker.models.email import Header, ReadEmail
from worker.models.smtp import SendParameters

DATE = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
MAIL = {"from": "ann@example.org", "to": "bob@example.org", "subject": "Hello", "body": "Hello Bob"}

one_line = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=200
).filter(lambda text: text.strip())
# What a person can type in one line, without what the address parser refuses in names.
names = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=200)
contents = st.text(st.characters(exclude_categories=["Cs"]), max_size=400).filter(lambda text: text.strip())
words = st.text(string.ascii_letters + string.digits + "<>@.-_=?", min_size=1, max_size=1200)


def compose(**changes: Any) -> ComposedMessage:
    parameters = SendParameters.model_validate({**MAIL, **changes})
    return compose_message(parameters, reference="job 1/2", date=DATE)


def read(message: ComposedMessage) -> EmailMessage:
    parsed = message_from_bytes(message.content, policy=policy.default)
    assert not parsed.defects
    return parsed


def text_of(message: ComposedMessage, field: str) -> str:
    """A field as the decoder of RFC 2047 gives it; email.policy would lose spaces between words."""
    return str(make_header(decode_header(unfolded(message, field))))


def names_of(message: ComposedMessage, field: str) -> list[tuple[str, str]]:
    addresses = getaddresses([unfolded(message, field)])
    return [(str(make_header(decode_header(name))), spec) for name, spec in addresses]


def unfolded(message: ComposedMessage, field: str) -> str:
    value = message_from_bytes(message.content)[field]
    return re.sub(r"\r?\n(?=[ \t])", "", value)


def parts_of(message: ComposedMessage) -> list[str]:
    return [part.get_content().replace("\r\n", "\n") for part in read(message).iter_parts()]


def read_by_worker(message: ComposedMessage) -> ReadEmail:
    return parse_email(message.content)


def header_of(message: ComposedMessage) -> bytes:
    return message.content.partition(b"\r\n\r\n")[0]


def lines_of(text: str) -> str:
    """The content as mail carries it: whole lines."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    return unified if unified.endswith("\n") else f"{unified}\n"


def quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def test_a_plain_mail_is_written_in_full() -> None:
    assert compose().content.decode("ascii").split("\r\n") == [
        "Date: Sun, 22 Nov 2026 10:00:00 +0000",
        "From: ann@example.org",
        "To: bob@example.org",
        "Subject: Hello",
        "Message-ID: <job-1-2@example.org>",
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: 7bit",
        "",
        "Hello Bob",
        "",
    ]


def test_the_same_work_gives_the_same_bytes() -> None:
    mail = {"contentType": "MULTIPART", "htmlBody": "<p>Hello"}
    assert compose(**mail) == compose(**mail)


def test_the_envelope_has_every_mailbox_once_and_bcc_is_nowhere_else() -> None:
    message = compose(to="Bob <bob@x>, cid@x", cc="bob@X", bcc="Dan <dan@x>, cid@x")
    assert message.envelope_from == "ann@example.org"
    assert message.recipients == ("bob@x", "cid@x", "dan@x")
    assert b"dan" not in message.content
    assert b"Bcc" not in message.content


def test_a_mail_with_bcc_alone_has_no_recipient_field() -> None:
    header = header_of(compose(to=None, bcc="bob@example.org"))
    assert b"To:" not in header
    assert b"Cc:" not in header


def test_several_senders_name_the_first_as_the_one_who_sent_it() -> None:
    message = read(compose(**{"from": "Ann <ann@example.org>, Bob <bob@example.net>"}))
    assert message["From"] == "Ann <ann@example.org>, Bob <bob@example.net>"
    assert message["Sender"] == "Ann <ann@example.org>"
    assert read(compose())["Sender"] is None


@pytest.mark.parametrize("name", ["Message-ID", "message-id"])
@pytest.mark.parametrize("value", ["<mine@example.net>", "mine@example.net"])
def test_a_given_message_id_wins(name: str, value: str) -> None:
    message = compose(headers={name: value})
    assert message.message_id == "<mine@example.net>"
    assert read(message).get_all("Message-ID") == ["<mine@example.net>"]


def test_threads_go_on() -> None:
    ids = [f"<{'x' * 80}{number}@example.org>" for number in range(30)]
    header = header_of(compose(headers={"In-Reply-To": ids[-1], "References": " ".join(ids)}))
    # The octets themselves: the standard library reads encoded words here, which other readers may not.
    assert f"\r\nIn-Reply-To: {ids[-1]}\r\n".encode() in header
    assert f"\r\nReferences: {chr(10).join(ids)}\r\n".replace("\n<", "\r\n <").encode() in header


def test_a_reply_address_is_written_as_an_address() -> None:
    message = compose(headers={"Reply-To": "Bücherbüro <desk@bücher.example>"})
    assert b"Reply-To: =?utf-8?b?" in header_of(message)
    assert read(message)["Reply-To"].addresses[0].addr_spec == "desk@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("x" * 78, "7bit"),
        ("x" * 79, "quoted-printable"),
        ("a\tb\r\n=3D", "7bit"),
        ("Liebe Grüße aus München von uns allen", "quoted-printable"),
        ("Здравствуйте", "base64"),
        ("one \x7f in a long line of text", "quoted-printable"),
    ],
)
def test_a_text_is_encoded_only_as_far_as_it_needs(body: str, encoding: str) -> None:
    assert read(compose(body=body))["Content-Transfer-Encoding"] == encoding


def test_multipart_has_the_text_first() -> None:
    message = compose(contentType="MULTIPART", body="Grüße", htmlBody="<p>Grüße")
    assert read(message).get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in read(message).iter_parts()] == ["text/plain", "text/html"]
    assert parts_of(message) == ["Grüße\n", "<p>Grüße\n"]


@pytest.mark.parametrize("field", ["from", "to", "cc", "bcc", "headers"])
def test_a_mailbox_beyond_ascii_anywhere_needs_smtputf8(field: str) -> None:
    value = "Jürgen <jürgen@bücher.example>"
    message = compose(**{field: {"Reply-To": value} if field == "headers" else value})
    assert message.smtputf8_mailboxes == ("jürgen@xn--bcher-kva.example",)


def test_everything_else_beyond_ascii_does_not() -> None:
    message = compose(
        to="Jürgen <bob@bücher.example>", subject="Grüße", body="Grüße", headers={"X-Note": "ä"}
    )
    assert message.smtputf8_mailboxes == ()
    assert message.content.isascii()


@pytest.mark.parametrize("boundary_like", ["--=_", "--", "\n--=_0000\n"])
def test_a_body_that_looks_like_a_boundary_stays_a_body(boundary_like: str) -> None:
    message = compose(contentType="MULTIPART", body=boundary_like + "x", htmlBody=boundary_like)
    assert parts_of(message) == [lines_of(boundary_like + "x"), lines_of(boundary_like)]


@given(subject=one_line)
@example("=?utf-8?q?Bcc=3A_eve?=")
@example("a" * 2000)
@example("a  b" + " " * 300 + "c")
@example("\x85\x0b\x0c\x1c\u2028 x")
@example(" leading and trailing ")
@example("😀" * 100)
def test_any_subject_comes_out_as_it_went_in(subject: str) -> None:
    message = compose(subject=subject)
    assert text_of(message, "Subject") == subject
    assert read_by_worker(message).subject == subject.strip()
    assert list(message_from_bytes(message.content)) == [
        "Date",
        "From",
        "To",
        "Subject",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ]


@given(senders=st.lists(names, min_size=1, max_size=4))
@example(["=?utf-8?q?a=2C_b?="])
@example(['Ann "the\\" Lee, Jr.'])
@example(["a" * 300, "ä" * 300, "a  b"])
@example([", <eve@example.net>"])
def test_any_name_comes_out_as_it_went_in(senders: list[str]) -> None:
    message = compose(to=[f"{quoted(name)} <bob@example.org>" for name in senders])
    assert names_of(message, "To") == [(name.strip(), "bob@example.org") for name in senders]


@given(value=one_line | words | st.lists(words, min_size=1, max_size=6).map(" ".join))
def test_any_header_comes_out_as_it_went_in(value: str) -> None:
    headers = read_by_worker(compose(headers={"X-Note": value})).headers
    assert Header(header="X-Note", value=value.strip()) in headers


@given(text=contents, html=contents)
@example("\0\x01\x7f", "\r\r\n\n.")
@example("a\rb", " \t \n \t.")
@example("From here\n.\n..", "x" * 5000)
@example("ä" * 5000, "\x85\u2028.")
def test_any_content_comes_out_as_it_went_in(text: str, html: str) -> None:
    message = compose(contentType="MULTIPART", body=text, htmlBody=html)
    assert parts_of(message) == [lines_of(text), lines_of(html)]


@given(subject=one_line, name=names, value=one_line | words, text=contents)
def test_no_line_is_too_long_and_all_end_alike(subject: str, name: str, value: str, text: str) -> None:
    content = compose(
        subject=subject, to=f"{quoted(name)} <bob@example.org>", headers={"X-Note": value}, body=text
    ).content
    assert content.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", content)
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert content.isascii()
    assert not re.search(rb"\r\n[ \t]*\r\n", content.partition(b"\r\n\r\n")[0])


@pytest.mark.parametrize(
    "name", ["References", "In-Reply-To", "List-Unsubscribe", "list-id", "Auto-Submitted"]
)
def test_a_structured_field_has_single_blanks_and_no_encoded_words(name: str) -> None:
    ids = [f"<{number}.{'x' * 60}@example.com>" for number in range(20)]
    message = compose(headers={name: "  ".join(ids[:10]) + "\r\n\t" + " \t ".join(ids[10:])})
    assert unfolded(message, name) == " ".join(ids)
    assert b"=?" not in message.content


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("<ü@example.com>", "may contain only printable ASCII characters"),
        ("<a@x>\r\nBcc: eve@x", "must not contain a line break"),
        ("<" + "x" * 1_000 + "@x>", "at most 900 of them without a blank"),
    ],
)
def test_a_text_that_a_structured_field_cannot_contain_is_refused(value: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        compose(headers={"References": value})


@pytest.mark.parametrize("length", range(1, 200, 7))
@pytest.mark.parametrize("name", ["Subject", "X-A-Rather-Long-Name-Of-A-Header-Field-That-Somebody-Made"])
def test_a_line_with_an_encoded_word_has_no_more_than_76_characters(name: str, length: int) -> None:
    text = "ü" * length + " and some words in ASCII"
    given = {"subject": text} if name == "Subject" else {"headers": {name: text}}
    people = [f"{'ü' * length} <{'a' * number}@example.org>" for number in range(1, 40, 3)]
    message = compose(**{"headers": {}, **given}, to=people, cc=people)
    lines = message.content.decode().split("\r\n")
    assert all(len(line) <= 76 for line in lines if "=?" in line)
    assert text_of(message, name) == text


def fields_of(message: ComposedMessage) -> list[str]:
    return [name.lower() for name in message_from_bytes(message.content)]


def test_an_answer_names_the_email_and_its_thread() -> None:
    message = compose(inReplyTo="1@example.org", subject="Re: RE : re: Hello")
    assert unfolded(message, "In-Reply-To") == unfolded(message, "References") == "<1@example.org>"
    assert text_of(message, "Subject") == "Re: Hello"
    assert "in-reply-to" not in fields_of(compose(subject="Re: Re: Hello"))
    assert text_of(compose(subject="Re: Re: Hello"), "Subject") == "Re: Re: Hello"


def read_result(**headers: str) -> dict[str, Any]:
    fields = [{"header": name.replace("_", "-"), "value": value} for name, value in headers.items()]
    return {"messageId": "<3@x.org>", "headers": fields, "subject": "Hello", "attachments": []}


@pytest.mark.parametrize(
    ("answered", "references"),
    [
        (read_result(References="<1@x.org>\r\n <2@x.org>"), "<1@x.org> <2@x.org> <3@x.org>"),
        (read_result(In_Reply_To="<2@x.org>"), "<2@x.org> <3@x.org>"),
        (read_result(In_Reply_To="<1@x.org> <2@x.org>"), "<3@x.org>"),
        (read_result(), "<3@x.org>"),
        ({**read_result(Message_ID="<4@x.org>"), "messageId": "imap:1.7"}, "<4@x.org>"),
    ],
)
def test_an_answer_to_a_read_email_continues_its_thread(answered: dict[str, Any], references: str) -> None:
    message = compose(inReplyTo=answered)
    assert unfolded(message, "References") == references
    assert unfolded(message, "In-Reply-To") == references.rsplit(maxsplit=1)[-1]


def test_an_answer_to_an_email_without_an_id_begins_a_thread() -> None:
    message = compose(inReplyTo={**read_result(), "messageId": "pop3:7"})
    assert not {"in-reply-to", "references"} & set(fields_of(message))


def test_a_long_thread_keeps_its_first_and_its_last_emails() -> None:
    thread = " ".join(f"<{number}@x.org>" for number in range(500))
    references = unfolded(compose(inReplyTo=read_result(References=thread)), "References").split()
    assert references[0] == "<0@x.org>"
    assert references[-2:] == ["<499@x.org>", "<3@x.org>"]
    assert len(references) == 32


def test_answers_receipts_and_importance_have_their_fields() -> None:
    message = compose(
        replyTo="Desk <desk@example.org>, b@x.org", readReceiptTo=["r@x.org"], importance="HIGH"
    )
    assert names_of(message, "Reply-To") == [("Desk", "desk@example.org"), ("", "b@x.org")]
    assert unfolded(message, "Disposition-Notification-To") == "r@x.org"
    parsed = read(message)
    assert (parsed["Importance"], parsed["X-Priority"], parsed["X-MSMail-Priority"]) == ("high", "1", "High")
    assert not {"importance", "x-priority", "reply-to"} & set(fields_of(compose()))
