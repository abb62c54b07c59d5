"""Diagrams drawn with Camunda's own email template, on the real engine: nothing in them is ours.

The tasks carry its task type and its input mappings; which of these the versions of the template write was
read from the published templates. Where documents are concerned, the cluster's REST API is the testkit's,
which follows the public contract; the embedded engine has none.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from testkit.bpmn import one_task_process
from testkit.document_server import DocumentServer
from testkit.dovecot import Dovecot
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions
from testkit.workers import email_worker, serving

from worker.sandbox import Engine, Keystore, MailServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from testkit.certificates import Certificates

TASK_TYPE = "io.camunda:email:1"
PASSWORD = "s3cret"
ON = {"EMAIL_WORKER_VENDOR_TASK_TYPE": "true", "SECRET_MAIL_PASSWORD": PASSWORD}
FIRST = (
    b"Message-ID: <1@example.com>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
    b"From: Jane <jane@example.com>\r\nTo: desk@example.com\r\nSubject: An order\r\n"
    b"Received: from x by y; Mon, 02 Nov 2026 10:00:05 +0000\r\n"
    b"\r\nTen of them, urgent.\r\n"
)
SECOND = (
    FIRST.replace(b"<1@", b"<2@").replace(b"An order", b"A question").replace(b"urgent", b"please, in a week")
)
READ_ENTRIES = {
    "messageId",
    "fromAddress",
    "headers",
    "subject",
    "size",
    "plainTextBody",
    "htmlBody",
    "receivedDateTime",
    "attachments",
}

_numbers = itertools.count(1)


@dataclass
class Mailbox:
    """One user's mailbox, whichever server it is at; `messages` and `deliver` go round the worker."""

    user: str
    ports: dict[str, int]
    messages: Callable[[], Awaitable[list[bytes]]]
    deliver: Callable[[bytes], Awaitable[None]]
    encryption: str = "NONE"
    environment: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    with Dovecot(certificates.server) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def greenmail(keystore: Keystore) -> AsyncIterator[MailServer]:
    users = [(f"user{number}@example.com", PASSWORD) for number in range(100)]
    async with MailServer.start(users, keystore=keystore) as server:
        yield server


def dovecot_mailbox(dovecot: Dovecot, certificates: Certificates) -> Mailbox:
    """The way there is TLS from the first byte, as the template's defaults have it."""
    user = f"vendor{next(_numbers)}"
    dovecot.add_user(user, PASSWORD)

    async def messages() -> list[bytes]:
        return [message.raw for message in dovecot.messages(user)]

    async def deliver(raw: bytes) -> None:
        dovecot.deliver(user, raw)

    ports = {"imap": dovecot.imaps_port, "pop3": dovecot.pop3s_port}
    trusted: dict[str, Any] = {"EMAIL_WORKER_TLS_CA_FILE": str(certificates.ca_file)}
    return Mailbox(user, ports, messages, deliver, "TLS", trusted)


def greenmail_mailbox(greenmail: MailServer) -> Mailbox:
    user = f"user{next(_numbers)}@example.com"
    ports = {"imap": greenmail.imap_port, "pop3": greenmail.pop3_port}
    return Mailbox(user, ports, lambda: greenmail.messages(user), lambda raw: greenmail.deliver(user, raw))


@pytest_asyncio.fixture(params=["dovecot", "greenmail"], loop_scope="session")
async def mailbox(
    request: pytest.FixtureRequest, dovecot: Dovecot, greenmail: MailServer, certificates: Certificates
) -> Mailbox:
    """A mailbox of the test's own, with FIRST and SECOND in it."""
    made = (
        dovecot_mailbox(dovecot, certificates) if request.param == "dovecot" else greenmail_mailbox(greenmail)
    )
    await made.deliver(FIRST)
    await made.deliver(SECOND)
    return made


@pytest.fixture(params=["imap", "pop3"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def inputs(mailbox: Mailbox, protocol: str, action: str, **fields: str) -> dict[str, str]:
    """The input mappings that the template writes for one operation on a mailbox."""
    discriminator = f"{action}{protocol.capitalize()}"
    config, where = f"data.{protocol}Config.{protocol}", f"data.{protocol}Action"
    return {
        "authentication.type": "simple",
        "authentication.username": mailbox.user,
        "authentication.password": "{{secrets.MAIL_PASSWORD}}",
        "protocol": protocol,
        f"{config}Host": "localhost",
        f"{config}Port": str(mailbox.ports[protocol]),
        f"{config}CryptographicProtocol": mailbox.encryption,
        f"data.{protocol}ActionDiscriminator": discriminator,
        **{f"{where}.{name}": value for name, value in fields.items()},
    }


def smtp_inputs(port: int, encryption: str = "NONE", **fields: str) -> dict[str, str]:
    """The input mappings that the template writes to send an email."""
    mail = {
        "from": "desk@example.com",
        "to": "jane@example.com",
        "subject": "Your order",
        "contentType": "PLAIN",
        "body": '="Dear " + customer + ","',
    }
    return {
        "authentication.type": "noAuth",
        "protocol": "smtp",
        "data.smtpConfig.smtpHost": "localhost",
        "data.smtpConfig.smtpPort": f"={port}",
        "data.smtpConfig.smtpCryptographicProtocol": encryption,
        "data.smtpActionDiscriminator": "sendEmailSmtp",
        **{f"data.smtpAction.{name}": value for name, value in {**mail, **fields}.items()},
    }


async def start(
    engine: Engine,
    mappings: Mapping[str, str],
    variables: Mapping[str, Any] | None = None,
    **headers: str,
) -> int:
    process_id = f"vendor-{next(_numbers)}"
    task_headers = {
        "elementTemplateId": "io.camunda.connectors.email.v1",
        "elementTemplateVersion": "6",
        "retryBackoff": "PT0S",
        "resultVariable": "mail",
        **headers,
    }
    process = one_task_process(process_id, TASK_TYPE, headers=task_headers, inputs=mappings)
    await engine.deploy(process, f"{process_id}.bpmn")
    return await engine.create_instance(process_id, {"customer": "Jane", **(variables or {})})


async def run(
    engine: Engine,
    mappings: Mapping[str, str],
    variables: Mapping[str, Any] | None = None,
    **environment: str,
) -> Any:
    """Run one instance to its end; give the result."""
    async with serving(engine.address, **ON, **environment):
        return (await engine.completed(await start(engine, mappings, variables)))["mail"]


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


async def test_list(engine: Engine, mailbox: Mailbox, protocol: str) -> None:
    order = {"maxToBeRead": "=100", "sortField": "SENT_DATE", "sortOrder": "ASC"}
    mails = await run(engine, inputs(mailbox, protocol, "listEmails", **order), **mailbox.environment)
    assert [list(mail) for mail in mails] == [["messageId", "fromAddress", "subject", "size"]] * 2
    assert [(mail["messageId"], mail["fromAddress"], mail["subject"]) for mail in mails] == [
        ("<1@example.com>", "jane@example.com", "An order"),
        ("<2@example.com>", "jane@example.com", "A question"),
    ]


async def test_a_list_as_the_first_version_of_the_template_wrote_it(engine: Engine, mailbox: Mailbox) -> None:
    order = {"maxToBeRead": "1", "listEmailsFolder": "INBOX", "sortField": "SIZE", "sortOrder": "DESC"}
    mails = await run(engine, inputs(mailbox, "imap", "listEmails", **order), **mailbox.environment)
    assert [mail["messageId"] for mail in mails] == ["<2@example.com>"]


async def test_search_by_a_context_and_by_its_json(engine: Engine, mailbox: Mailbox, protocol: str) -> None:
    context = '={"operator": "AND", "criteria": [{"field": "FROM", "value": "jane@example.com"}]}'
    found = await run(
        engine, inputs(mailbox, protocol, "searchEmails", criteria=context), **mailbox.environment
    )
    assert found == [
        {"messageId": "<1@example.com>", "subject": "An order"},
        {"messageId": "<2@example.com>", "subject": "A question"},
    ]
    text = '{"field": "SUBJECT", "value": "question"}'
    found = await run(engine, inputs(mailbox, protocol, "searchEmails", criteria=text), **mailbox.environment)
    assert found == [{"messageId": "<2@example.com>", "subject": "A question"}]


async def test_read(engine: Engine, mailbox: Mailbox, protocol: str) -> None:
    mappings = inputs(mailbox, protocol, "readEmail", messageId="=wanted")
    mail = await run(engine, mappings, {"wanted": "1@example.com"}, **mailbox.environment)
    assert set(mail) == READ_ENTRIES
    assert (mail["messageId"], mail["plainTextBody"]) == ("<1@example.com>", "Ten of them, urgent.\n")
    assert mail["attachments"] == []
    assert {"header": "Subject", "value": "An order"} in mail["headers"]
    # POP3 reads a mail away, as the vendor's does.
    assert len(await mailbox.messages()) == (1 if protocol == "pop3" else 2)


async def test_delete(engine: Engine, mailbox: Mailbox, protocol: str) -> None:
    mappings = inputs(mailbox, protocol, "deleteEmail", messageId="<1@example.com>")
    result = await run(engine, mappings, **mailbox.environment)
    assert result == {"deleted": True, "messageId": "<1@example.com>"}
    (left,) = await mailbox.messages()
    assert b"A question" in left


async def test_move(engine: Engine, mailbox: Mailbox) -> None:
    fields = {"messageId": "<1@example.com>", "fromFolder": "=null", "toFolder": "Archive.2026"}
    result = await run(engine, inputs(mailbox, "imap", "moveEmail", **fields), **mailbox.environment)
    assert result == {"messageId": "<1@example.com>", "from": "INBOX", "to": "Archive.2026"}
    assert len(await mailbox.messages()) == 1
    listed = inputs(mailbox, "imap", "listEmails", listEmailsFolder="Archive/2026")
    mails = await run(engine, listed, **mailbox.environment)
    assert [mail["messageId"] for mail in mails] == ["<1@example.com>"]


async def test_send(engine: Engine, mail_server: MailServer) -> None:
    more = {"cc": "=null", "headers": '={"X-Order": 7}', "contentType": "MULTIPART", "htmlBody": "<p>Hi</p>"}
    recipient = f"vendor{next(_numbers)}@example.com"
    mappings = smtp_inputs(mail_server.smtp_port, to=recipient, **more)
    result = await run(engine, mappings)
    message = parsed((await mail_server.wait_for(recipient))[0])
    assert result == {"subject": "Your order", "sent": True, "messageId": message["Message-ID"]}
    assert (message["To"], message["X-Order"]) == (recipient, "7")
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


async def test_the_first_version_of_the_template_sends_plain_text(engine: Engine) -> None:
    async with ScriptedSmtp() as server:
        mappings = smtp_inputs(server.port)
        del mappings["data.smtpAction.contentType"]
        mappings["data.smtpAction.to"] = '=["jane@example.com", "joe@example.com"]'
        assert (await run(engine, mappings))["sent"] is True
        assert server.accepted[0].recipients == ["jane@example.com", "joe@example.com"]
        assert parsed(server.accepted[0].raw).get_content() == "Dear Jane,\r\n"


@pytest.mark.parametrize("encryption", ["TLS", "SSL"])
async def test_for_smtp_tls_is_starttls_and_ssl_is_from_the_first_byte(
    engine: Engine, certificates: Certificates, encryption: str
) -> None:
    context = certificates.server.server_context()
    options = SmtpOptions(starttls=context) if encryption == "TLS" else SmtpOptions(tls=context)
    async with ScriptedSmtp(options=options) as server:
        ca_file = str(certificates.ca_file)
        result = await run(engine, smtp_inputs(server.port, encryption), EMAIL_WORKER_TLS_CA_FILE=ca_file)
    assert result["sent"] is True


async def test_a_refusal_says_what_the_vendors_result_cannot_express(engine: Engine) -> None:
    refused = SmtpOptions(refused={"jane@example.com": "550 5.1.1 Nobody here"})
    async with ScriptedSmtp(options=refused) as server:
        result = await run(engine, smtp_inputs(server.port))
    assert result["sent"] is False
    assert result["refusedRecipients"][0]["address"] == "jane@example.com"


async def test_an_error_expression_makes_an_incident_of_a_refusal(engine: Engine) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "migrating.md").read_text("utf-8")
    (expression,) = re.findall(r"`(=if not\(sent\).*?)`", page)
    refused = SmtpOptions(refused={"jane@example.com": "550 5.1.1 Nobody here"})
    async with ScriptedSmtp(options=refused) as server, serving(engine.address, **ON):
        instance = await start(engine, smtp_inputs(server.port), errorExpression=expression)
        incident = await engine.incident(instance)
        assert incident.message == "not sent"
        await engine.cancel_instance(instance)


async def test_a_mail_is_sent_once_where_the_result_expression_breaks(engine: Engine) -> None:
    async with ScriptedSmtp() as server, serving(engine.address, **ON):
        instance = await start(engine, smtp_inputs(server.port), resultExpression="=response.subject")
        incident = await engine.incident(instance)
        assert incident.message.startswith("EXPRESSION_FAILED in io.camunda:email:1: ")
        await engine.resolve(incident)
        await engine.job_event(instance, "FAILED", count=2)
        assert len(server.accepted) == 1
        await engine.cancel_instance(instance)


async def test_a_task_can_be_tried_without_an_engine() -> None:
    async with ScriptedSmtp() as server, email_worker() as worker:
        task = {
            "authentication": {"type": "noAuth"},
            "protocol": "smtp",
            "data": {
                "smtpActionDiscriminator": "sendEmailSmtp",
                "smtpAction": {"from": "a@example.com", "to": "b@example.com", "subject": "Hi", "body": "Ho"},
                "smtpConfig": {
                    "smtpHost": "localhost",
                    "smtpPort": server.port,
                    "smtpCryptographicProtocol": "NONE",
                },
            },
        }
        assert set(await worker.call(TASK_TYPE, task)) == {"subject", "sent", "messageId"}


async def test_headers_steer_the_vendors_task_as_the_workers(engine: Engine, mailbox: Mailbox) -> None:
    mappings = inputs(mailbox, "imap", "listEmails", maxToBeRead="=1")
    async with serving(engine.address, **ON, **mailbox.environment):
        instance = await start(engine, mappings, resultVariable="", resultExpression="={n: count(response)}")
        assert await engine.completed(instance) == {"customer": "Jane", "n": 1}


@pytest.mark.parametrize("bare", ["secrets.MAIL_PASSWORD", "{{ secrets.MAIL_PASSWORD }}"])
async def test_secrets_have_braces_or_none(engine: Engine, mailbox: Mailbox, bare: str) -> None:
    mappings = inputs(mailbox, "pop3", "listEmails") | {
        "authentication.username": "secrets.USER",
        "authentication.password": bare,
    }
    mails = await run(engine, mappings, SECRET_USER=mailbox.user, **mailbox.environment)
    assert len(mails) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data.imapActionDiscriminator": "listEmailsPop3"},
            (
                "data.imapActionDiscriminator must be 'listEmailsImap' or 'readEmailImap' or"
                " 'deleteEmailImap' or 'searchEmailsImap' or 'moveEmailImap'; found 'listEmailsPop3'."
            ),
        ),
        ({"protocol": "exchange"}, "protocol must be 'smtp' or 'imap' or 'pop3'; found 'exchange'."),
        (
            {"data.imapAction.maxToBeRead": "lots"},
            "data.imapAction.maxToBeRead must be a whole number; found 'lots'.",
        ),
        (
            {"data.imapConfig.imapHost": "=null"},
            (
                "data.imapConfig.imapHost is null: its expression gave nothing; correct the"
                " named field in the diagram or the process variables, then retry the incident."
            ),
        ),
    ],
)
async def test_invalid_input_is_an_incident_that_names_the_field_of_the_diagram(
    engine: Engine, changes: dict[str, str], message: str
) -> None:
    nowhere = Mailbox("nobody", {"imap": 1}, messages=_nothing, deliver=_nowhere)
    async with serving(engine.address, **ON):
        instance = await start(engine, inputs(nowhere, "imap", "listEmails") | changes)
        incident = await engine.incident(instance)
        assert incident.message == f"INVALID_INPUT in io.camunda:email:1: {message}"
        await engine.cancel_instance(instance)


async def test_the_vendors_job_type_is_served_only_if_it_is_turned_on(engine: Engine) -> None:
    with capture_logs() as logs:
        async with serving(engine.address):
            pass
        async with serving(engine.address, **ON):
            pass
    off, on = (line["task_types"] for line in logs if line["event"] == "worker_started")
    assert TASK_TYPE not in off
    assert set(on) - set(off) == {TASK_TYPE}


async def test_documents_are_attached_wherever_they_are(engine: Engine) -> None:
    async with DocumentServer() as documents, ScriptedSmtp() as server:
        documents.pages["terms.txt"] = (200, {"Content-Type": "text/plain"}, b"Terms")
        # As the sixth version writes it: its own helpers beside the list that they make.
        attachments = {
            "data_smtpAction_attachments_documentMode": "multiple",
            "attachments": "=[bills, greeting, terms]",
        }
        variables = {
            "bills": [documents.put(b"%PDF\x00", "Bill.pdf", "application/pdf")],
            "greeting": {"camunda.document.type": "inline", "content": "Hi", "name": "Grüße.txt"},
            "terms": {
                "camunda.document.type": "external",
                "url": f"{documents.address}/files/terms.txt",
                "name": "terms.txt",
            },
        }
        result = await run(
            engine,
            smtp_inputs(server.port, **attachments),
            variables,
            ZEEBE_REST_ADDRESS=documents.address,
            EMAIL_WORKER_ALLOWED_DOCUMENT_URLS=f"{documents.address}/files/*",
        )
        message = parsed(server.accepted[0].raw)
    assert result["sent"] is True
    assert [(part.get_filename(), part.get_payload(decode=True)) for part in message.iter_attachments()] == [
        ("Bill.pdf", b"%PDF\x00"),
        ("Grüße.txt", b"Hi"),
        ("terms.txt", b"Terms"),
    ]


async def test_a_document_is_not_fetched_from_a_url_that_is_not_allowed(engine: Engine) -> None:
    secret = '=[{"camunda.document.type": "external", "url": "http://169.254.169.254/latest/meta-data"}]'
    async with ScriptedSmtp() as server, serving(engine.address, **ON):
        instance = await start(engine, smtp_inputs(server.port, attachments=secret))
        incident = await engine.incident(instance)
        assert incident.message.startswith("URL_NOT_ALLOWED in io.camunda:email:1: ")
        assert server.connections == 0
        await engine.cancel_instance(instance)


def with_attachment() -> bytes:
    message = EmailMessage(policy=policy.SMTP)
    message["Message-ID"], message["From"], message["Subject"] = "<3@example.com>", "a@example.com", "Bill"
    message.set_content("see the file")
    message.add_attachment(b"%PDF\x00\xff", "application", "pdf", filename="Rechnung März.pdf")
    return message.as_bytes()


async def test_attachments_are_stored_before_a_pop3_read_deletes_the_email(
    engine: Engine, mailbox: Mailbox, protocol: str
) -> None:
    await mailbox.deliver(with_attachment())
    async with DocumentServer() as documents:
        mappings = inputs(mailbox, protocol, "readEmail", messageId="<3@example.com>")
        mail = await run(engine, mappings, ZEEBE_REST_ADDRESS=documents.address, **mailbox.environment)
        stored = documents.documents["document-1"]
    (reference,) = mail["attachments"]
    assert reference["camunda.document.type"] == "camunda"
    assert (reference["documentId"], reference["storeId"]) == ("document-1", "in-memory")
    assert reference["metadata"]["fileName"] == "Rechnung März.pdf"
    assert (stored.content, stored.content_type) == (b"%PDF\x00\xff", "application/pdf")
    assert len(await mailbox.messages()) == (2 if protocol == "pop3" else 3)


async def test_an_upload_that_fails_leaves_the_mail_and_is_tried_again(
    engine: Engine, mailbox: Mailbox
) -> None:
    await mailbox.deliver(with_attachment())
    async with (
        DocumentServer() as documents,
        serving(engine.address, **ON, ZEEBE_REST_ADDRESS=documents.address, **mailbox.environment),
    ):
        documents.faults.append(503)
        mappings = inputs(mailbox, "pop3", "readEmail", messageId="<3@example.com>")
        instance = await start(engine, mappings, retryBackoff="PT1H")
        failure = await engine.job_event(instance, "FAILED")
        assert failure.error_message.startswith(
            "DOCUMENTS_UNAVAILABLE in io.camunda:email:1: Camunda's document store did not take"
        )
        assert failure.retries == 2
        assert len(await mailbox.messages()) == 3
        await engine.cancel_instance(instance)
    assert len(await mailbox.messages()) == 3


async def _nothing() -> list[bytes]:
    return []


async def _nowhere(_raw: bytes) -> None:
    return None
