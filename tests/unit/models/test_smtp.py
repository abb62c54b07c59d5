from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from worker.models.message import ContentType
from worker.models.smtp import Refusal, RefusedRecipient, SendParameters, SendRequest, SendResult

MAIL = {"from": "ann@example.org", "to": "bob@example.org", "subject": "Hello", "body": "Hello Bob"}


def parameters(**changes: Any) -> SendParameters:
    return SendParameters.model_validate({**MAIL, **changes})


def error_of(**changes: Any) -> tuple[str, str]:
    """The field and the sentence of the first error."""
    with pytest.raises(ValidationError) as caught:
        parameters(**changes)
    error = caught.value.errors()[0]
    return ".".join(map(str, error["loc"])), error["msg"].removeprefix("Value error, ")


def test_a_plain_mail_needs_sender_recipient_subject_and_body_only() -> None:
    mail = parameters()
    assert mail.content_type is ContentType.PLAIN
    assert (mail.text, mail.html, mail.cc, mail.bcc, mail.headers) == ("Hello Bob", None, (), (), {})


@pytest.mark.parametrize(
    ("field", "value"), [("from", " "), ("from", [""]), ("from", ","), ("subject", None), ("body", None)]
)
def test_a_missing_required_field_is_refused(field: str, value: Any) -> None:
    where, message = error_of(**{field: value})
    assert where == field or field in message


@pytest.mark.parametrize(
    "fields",
    [
        {"body": ""},
        {"subject": "", "body": ""},
        {"contentType": "HTML", "body": "", "htmlBody": ""},
        {"contentType": "MULTIPART", "body": "", "htmlBody": ""},
    ],
)
def test_an_empty_text_is_a_text(fields: dict[str, Any]) -> None:
    mail = parameters(**fields)
    assert (mail.text or "", mail.html or "") == ("", "")


def test_attachments_need_no_body() -> None:
    file = {"camunda.document.type": "inline", "name": "a.csv", "content": "1"}
    given = {"from": "ann@example.org", "to": "bob@example.org", "subject": "", "attachments": [file]}
    assert SendParameters.model_validate(given).text is None


@pytest.mark.parametrize(
    ("content_type", "fields"),
    [
        ("PLAIN", {"body": None}),
        ("HTML", {"body": None, "htmlBody": None}),
        ("MULTIPART", {"body": "text", "htmlBody": None}),
        ("MULTIPART", {"body": None, "htmlBody": "<p>"}),
    ],
)
def test_a_body_whose_expression_gave_nothing_is_refused(content_type: str, fields: dict[str, Any]) -> None:
    assert "is null: its expression gave nothing" in error_of(contentType=content_type, **fields)[1]


@pytest.mark.parametrize(("number", "text"), [(4711, "4711"), (1.5, "1.5"), (12.0, "12")])
def test_a_number_is_its_text(number: float, text: str) -> None:
    mail = parameters(subject=number, body=number)
    assert (mail.subject, mail.text) == (text, text)


@pytest.mark.parametrize("nobody", [",", [""], [None], [[]], "undisclosed-recipients:;"])
def test_an_entry_without_an_address_does_not_count(nobody: Any) -> None:
    assert parameters(cc=nobody, headers={"Reply-To": ","}).cc == ()
    assert "at least one recipient" in error_of(to=nobody)[1]


@pytest.mark.parametrize("field", ["to", "cc", "bcc"])
def test_one_recipient_anywhere_is_enough(field: str) -> None:
    assert parameters(**{"to": None, field: "bob@example.org"})


def test_an_email_without_recipients_is_refused() -> None:
    assert "at least one recipient in to, cc or bcc" in error_of(to=None, cc="", bcc=None)[1]


def test_an_empty_list_means_no_recipients() -> None:
    assert parameters(cc=[], bcc=[]).cc == ()
    assert "at least one recipient in to, cc or bcc" in error_of(to=[])[1]


@pytest.mark.parametrize("field", ["from", "to", "cc", "bcc"])
@pytest.mark.parametrize("value", ["a b@c", ["x@"], "ann@example.org\r\nX-Evil: 1"])
def test_a_bad_address_is_reported_with_its_field(field: str, value: Any) -> None:
    where, message = error_of(**{field: value})
    assert where == field
    assert "found" in message


@pytest.mark.parametrize("subject", ["a\r\nBcc: eve@example.net", "a\nb", "a\rb", "a\0b", "a\n"])
def test_a_subject_of_several_lines_is_refused(subject: str) -> None:
    assert error_of(subject=subject) == ("subject", "must not contain a line break or NUL")


def test_the_content_of_html_may_come_in_either_field() -> None:
    for field in ("body", "htmlBody"):
        mail = parameters(contentType="HTML", **{"body": None, field: "<p>Hi"})
        assert (mail.text, mail.html) == (None, "<p>Hi")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contentType": "PLAIN", "htmlBody": "<p>"}, "may have an htmlBody only when"),
        ({"contentType": "HTML", "htmlBody": "<p>"}, "may not have both"),
        ({"contentType": "MULTIPART"}, "must have both"),
    ],
)
def test_content_that_does_not_fit_its_type_is_explained(changes: dict[str, Any], message: str) -> None:
    assert message in error_of(**changes)[1]


def test_numbers_are_taken_for_header_values_and_blank_ones_are_not_given() -> None:
    mail = parameters(
        headers={"X-Priority": 1, "X-Ratio": 2.5, "X-Whole": 3.0, "X-None": None, "X-Blank": " "}
    )
    assert mail.headers == {"X-Priority": "1", "X-Ratio": "2.5", "X-Whole": "3"}


@pytest.mark.parametrize(
    "name",
    [
        "From",
        "to",
        "CC",
        "Bcc",
        "Subject",
        "Sender",
        "Date",
        "MIME-Version",
        "Content-Type",
        "content-transfer-encoding",
        "Content-Anything",
        "Resent-To",
        "Received",
        "Return-Path",
    ],
)
def test_a_header_that_would_break_the_message_is_refused_by_name(name: str) -> None:
    where, message = error_of(headers={name: "x"})
    assert where == "headers"
    assert f"must not contain {name}" in message


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X-Ä", "X\r\nY", "X\0", " X", "X" * 71])
def test_a_header_name_that_is_none_is_refused(name: str) -> None:
    where, message = error_of(headers={name: "x"})
    assert where == "headers"
    assert "names" in message


@pytest.mark.parametrize("value", ["a\r\nBcc: eve@example.net", "a\nb", "a\0b", "a\n", "\ra"])
def test_a_header_value_of_several_lines_is_refused_by_name(value: str) -> None:
    assert error_of(headers={"X-Note": value}) == (
        "headers",
        "must not contain a line break or NUL, but X-Note does",
    )


@pytest.mark.parametrize("value", [True, ["a"], {"a": "b"}])
def test_a_header_value_that_is_no_text_is_refused_by_name(value: Any) -> None:
    assert "'X-Note'" in error_of(headers={"X-Note": value})[1]


def test_a_header_given_twice_is_refused() -> None:
    assert "once" in error_of(headers={"X-Note": "a", "x-note": "b"})[1]


@pytest.mark.parametrize("value", ["id", "<a b@c>", "<a@b> <c@d>", "<a@b", "a@b>", f"<{'a' * 250}@b>"])
def test_a_message_id_that_is_none_is_refused(value: str) -> None:
    assert "Message-ID" in error_of(headers={"Message-ID": value})[1]


def test_a_reply_to_that_is_no_address_is_refused() -> None:
    assert "Reply-To must be an address" in error_of(headers={"Reply-To": "nobody"})[1]


def test_an_unknown_field_is_refused() -> None:
    assert error_of(recipient="x")[0] == "recipient"


def test_noauth_needs_neither_name_nor_password() -> None:
    request = SendRequest.model_validate(
        {"authentication": {"type": "noAuth"}, "server": {"host": "mail.example.org"}, "parameters": MAIL}
    )
    assert request.authentication.username is None


def test_a_result_has_no_empty_entries() -> None:
    result = SendResult(subject="Hello", sent=True, message_id="<a@b>")
    assert result.to_variables() == {"subject": "Hello", "sent": True, "messageId": "<a@b>"}


def test_a_result_names_what_was_refused() -> None:
    result = SendResult(
        subject="Hello",
        sent=False,
        message_id="<a@b>",
        refused_recipients=[RefusedRecipient(address="x@y", code=550, message="No")],
        error=Refusal(code=554, message="Never"),
    )
    assert result.to_variables() == {
        "subject": "Hello",
        "sent": False,
        "messageId": "<a@b>",
        "refusedRecipients": [{"address": "x@y", "code": 550, "message": "No"}],
        "error": {"code": 554, "message": "Never"},
    }


def test_every_field_says_what_it_is_for() -> None:
    for model in (SendParameters, SendResult):
        assert all(field.description for field in model.model_fields.values())


def test_the_models_can_be_described_to_a_program() -> None:
    schema = SendRequest.model_json_schema(by_alias=True)["$defs"]["SendParameters"]
    assert schema["required"] == ["from", "subject"]
    assert schema["properties"]["htmlBody"]["description"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"inReplyTo": "imap:1.7"}, "must be a Message-ID such as <unique@example.com>"),
        ({"inReplyTo": {"subject": "x"}}, "must be a Message-ID"),
        ({"inReplyTo": 7}, "must be a Message-ID"),
        ({"importance": "urgent"}, "Input should be 'high', 'normal' or 'low'"),
        ({"notify": "NEVER, DELAY"}, "must not have NEVER together with other events"),
        ({"notify": ["BOUNCE"]}, "Input should be"),
        ({"replyTo": "desk"}, "must be an address"),
        (
            {"replyTo": "a@x.org", "headers": {"reply-to": "b@x.org"}},
            "must not have both replyTo and the header",
        ),
        (
            {"inReplyTo": "a@x.org", "headers": {"References": "<b@x.org>"}},
            "must not have both inReplyTo and",
        ),
        (
            {"importance": "low", "headers": {"X-Priority": "1"}},
            "must not have both importance and the header",
        ),
    ],
)
def test_a_wrong_option_is_named(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in error_of(**changes)[1]


def test_options_may_be_written_in_many_ways() -> None:
    mail = parameters(
        notify=" failure, DELAY,", importance=" High ", replyTo=["a@x.org", None], inReplyTo=" 1@x "
    )
    assert [str(event) for event in mail.notify] == ["FAILURE", "DELAY"]
    assert mail.importance == "high"
    assert mail.in_reply_to is not None
    assert mail.in_reply_to.message_id == "<1@x>"
    assert parameters(notify=None, importance="", replyTo=[], inReplyTo=None).in_reply_to is None


def test_the_attachments_of_a_read_email_are_sent_as_they_are_listed() -> None:
    stored = {"camunda.document.type": "camunda", "documentId": "7"}
    listed = {
        "name": "a.png",
        "contentType": "image/png",
        "size": 4,
        "contentId": "<logo@x>",
    }
    (document,) = parameters(attachments=[stored | listed | {"reference": stored}]).attachments
    assert document.content_id == "logo@x"
    (inline,) = parameters(attachments=[{**stored, "contentId": "logo"}]).attachments
    assert inline.content_id == "logo"
    assert "attachments" in error_of(attachments=[listed])[0]
    assert "listed, and not stored" in error_of(attachments=[listed])[1]
    assert "contentId must be ASCII" in error_of(attachments=[{**stored, "contentId": "a b"}])[1]


@pytest.mark.parametrize(
    ("contentId", "expected"),
    [("cid:logo", "logo"), ("<CID:logo@x>", "logo@x"), (" < logo > ", "logo"), ("cid:", None), ("<>", None)],
)
def test_a_content_id_may_be_written_as_the_html_and_the_header_do(
    contentId: str,  # noqa: N803 - as the process calls it
    expected: str | None,
) -> None:
    inline = {"camunda.document.type": "inline", "content": "x", "contentId": contentId}
    assert parameters(attachments=[inline]).attachments[0].content_id == expected


def test_words_may_be_a_text_or_a_list_in_which_blanks_and_null_do_not_count() -> None:
    for notify in ("FAILURE,, delay", ["failure", None, " ", "DELAY "]):
        assert [str(event) for event in parameters(notify=notify).notify] == ["FAILURE", "DELAY"]
    assert parameters(notify=[None]).notify == ()
    assert error_of(notify=[True])[0] == "notify.0"


@pytest.mark.parametrize(
    "name", ["DKIM-Signature", "Authentication-Results", "ARC-Seal", "Received-SPF", "Delivered-To"]
)
def test_what_mail_servers_write_is_no_header_of_the_process(name: str) -> None:
    assert f"must not contain {name}" in error_of(headers={name: "x"})[1]


@pytest.mark.parametrize("message_id", ["<4711>", "<a@b@c>", "<a.b@c..d>"])
def test_an_email_with_an_unusual_message_id_is_answered_in_its_thread(message_id: str) -> None:
    header = {"header": "Message-ID", "value": message_id}
    for answered in (message_id, {"messageId": message_id, "headers": [header]}):
        answer = parameters(inReplyTo=answered).in_reply_to
        assert answer is not None
        assert (answer.message_id, answer.references) == (message_id, (message_id,))


def test_a_message_id_that_fits_into_no_line_is_none() -> None:
    endless = f"<{'a' * 1_000}@x>"
    answer = parameters(inReplyTo={"messageId": endless}).in_reply_to
    assert answer is not None
    assert (answer.message_id, answer.references) == ("", ())
    assert "must be a Message-ID" in error_of(inReplyTo=endless)[1]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("RE: Re: AW: SV: Antw: Order", "Re: Order"),
        ("Re: AW: Order", "Re: Order"),
        ("Re: Re[2]: Order", "Re: Order"),
        ("AW: Order", "AW: Order"),
        ("Re: Award: Order", "Re: Award: Order"),
    ],
)
def test_an_answer_has_one_sign_of_an_answer(subject: str, expected: str) -> None:
    assert parameters(subject=subject, inReplyTo="1@x").subject_line == expected
    assert parameters(subject=subject).subject_line == subject
