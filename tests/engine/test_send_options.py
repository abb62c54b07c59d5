"""What a process may ask for besides text and files: threads, inline images, importance, notifications."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest
from testkit.bpmn import one_task_process
from testkit.dovecot import Dovecot
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions
from testkit.workers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.certificates import Certificates

    from worker.sandbox import Engine

QUESTION = (
    b"Message-ID: <2@example.com>\r\nReferences: <1@example.com>\r\nFrom: jane@example.com\r\n"
    b"Subject: Re: The order\r\n\r\nWhen will it come?\r\n"
)


@pytest.fixture(scope="module")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    with Dovecot(certificates.server) as server:
        yield server


async def run(engine: Engine, task_type: str, port: int, user: str | None, **parameters: Any) -> Any:
    """Run an instance of a process with one task; give its result."""
    process_id = task_type.replace(".", "-")
    await engine.deploy(one_task_process(process_id, task_type, headers={"resultVariable": "mail"}))
    variables = {
        "authentication": {"username": user, "password": "s3cret"} if user else {"type": "noAuth"},
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": parameters,
    }
    instance = await engine.create_instance(process_id, variables)
    return (await engine.completed(instance))["mail"]


def sent_by(server: ScriptedSmtp) -> EmailMessage:
    message = message_from_bytes(server.accepted[-1].raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


async def test_an_email_that_was_read_is_answered_in_its_thread(engine: Engine, dovecot: Dovecot) -> None:
    dovecot.add_user("threads", "s3cret")
    dovecot.deliver("threads", QUESTION)
    async with ScriptedSmtp() as server, serving(engine.address):
        read = await run(engine, "email.imap.read", dovecot.imap_port, "threads", messageId="2@example.com")
        answer = {"from": "a@example.com", "to": read["fromAddress"], "body": "Tomorrow."}
        subject = "Re: " + read["subject"]
        asked = {"subject": subject, "inReplyTo": read, "replyTo": "desk@example.com"}
        result = await run(engine, "email.smtp.send", server.port, None, **answer, **asked)
        message = sent_by(server)
    assert result["subject"] == message["Subject"] == "Re: The order"
    assert message["In-Reply-To"] == "<2@example.com>"
    assert message["References"] == "<1@example.com> <2@example.com>"
    assert message["Reply-To"] == "desk@example.com"


async def test_an_image_is_shown_in_the_text_and_the_email_is_marked(engine: Engine) -> None:
    logo = {
        "camunda.document.type": "inline",
        "name": "logo.svg",
        "contentType": "image/svg+xml",
        "content": "<svg/>",
    }
    mail = {"from": "a@example.com", "to": "b@example.com", "subject": "Hello", "contentType": "HTML"}
    options = SmtpOptions(extensions=("DSN",))
    async with ScriptedSmtp(options=options) as server, serving(engine.address):
        await run(
            engine,
            "email.smtp.send",
            server.port,
            None,
            **mail,
            htmlBody='<img src="cid:logo">',
            attachments=[{**logo, "contentId": "logo"}],
            importance="high",
            readReceiptTo="desk@example.com",
            notify=["SUCCESS", "DELAY"],
        )
        message = sent_by(server)
        assert any(" NOTIFY=SUCCESS,DELAY" in command for command in server.commands)
    assert message.get_content_type() == "multipart/related"
    (image,) = [part for part in message.walk() if part.get_content_type() == "image/svg+xml"]
    assert image["Content-ID"] == "<logo>"
    assert (message["Importance"], message["X-Priority"]) == ("high", "1")
    assert message["Disposition-Notification-To"] == "desk@example.com"
