"""Our own tasks with documents, on the real engine.

The cluster's REST API is the testkit's, which follows the public contract; the embedded engine has none.
"""

from __future__ import annotations

import itertools
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest
from testkit.bpmn import one_task_process
from testkit.document_server import DocumentServer
from testkit.dovecot import Dovecot
from testkit.scripted_smtp import ScriptedSmtp
from testkit.workers import serving

from worker.sandbox import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.certificates import Certificates

PDF = b"%PDF\x00\xff"

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    with Dovecot(certificates.server) as server:
        yield server


async def start(engine: Engine, task_type: str, port: int, user: str | None, **parameters: Any) -> int:
    process_id = f"documents-{next(_numbers)}"
    await engine.deploy(one_task_process(process_id, task_type, headers={"resultVariable": "mail"}))
    variables = {
        "authentication": {"username": user, "password": "s3cret"} if user else {"type": "noAuth"},
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": parameters,
    }
    return await engine.create_instance(process_id, variables)


async def send(engine: Engine, port: int, attachments: Any) -> int:
    mail = {"from": "a@example.com", "to": "b@example.com", "subject": "Bill", "body": "See the file."}
    return await start(engine, "email.smtp.send", port, None, **mail, attachments=attachments)


def stored_mail(dovecot: Dovecot) -> str:
    """Put a mail with an attachment into a mailbox of the test's own; give its user."""
    user = f"documents{next(_numbers)}"
    message = EmailMessage(policy=policy.SMTP)
    message["Message-ID"], message["From"], message["Subject"] = "<1@example.com>", "a@example.com", "Bill"
    message.set_content("See the file.")
    message.add_attachment(PDF, "application", "pdf", filename="Bill.pdf")
    dovecot.add_user(user, "s3cret")
    dovecot.deliver(user, message.as_bytes())
    return user


async def test_a_document_that_one_task_stores_is_sent_by_another(engine: Engine, dovecot: Dovecot) -> None:
    user = stored_mail(dovecot)
    async with (
        DocumentServer() as documents,
        ScriptedSmtp() as server,
        serving(engine.address, ZEEBE_REST_ADDRESS=documents.address),
    ):
        wanted = {"messageId": "<1@example.com>", "storeAttachments": "true"}
        instance = await start(engine, "email.imap.read", dovecot.imap_port, user, **wanted)
        read = (await engine.completed(instance))["mail"]
        instance = await send(engine, server.port, read["attachments"])
        assert (await engine.completed(instance))["mail"]["sent"] is True
        message = message_from_bytes(server.accepted[0].raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    (attachment,) = message.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("Bill.pdf", PDF)


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_attachments_are_stored_by_default_and_only_listed_if_they_are_not_wanted(
    engine: Engine, dovecot: Dovecot, protocol: str
) -> None:
    port = dovecot.imap_port if protocol == "imap" else dovecot.pop3_port
    listed = {"name": "Bill.pdf", "contentType": "application/pdf", "size": len(PDF)}
    async with (
        DocumentServer() as documents,
        serving(engine.address, ZEEBE_REST_ADDRESS=documents.address),
    ):
        wanted = {"messageId": "<1@example.com>", "storeAttachments": False}
        instance = await start(engine, f"email.{protocol}.read", port, stored_mail(dovecot), **wanted)
        assert (await engine.completed(instance))["mail"]["attachments"] == [listed]
        assert documents.requests == []
        del wanted["storeAttachments"]
        instance = await start(engine, f"email.{protocol}.read", port, stored_mail(dovecot), **wanted)
        (stored,) = (await engine.completed(instance))["mail"]["attachments"]
        reference = stored.pop("reference")
        assert reference["documentId"] in documents.documents
        assert stored == listed | reference  # other connectors take it for a document


async def test_pop3_does_not_read_an_email_whose_attachments_would_be_lost(
    engine: Engine, dovecot: Dovecot
) -> None:
    user = stored_mail(dovecot)
    async with serving(engine.address):
        wanted = {"messageId": "<1@example.com>"}
        instance = await start(engine, "email.pop3.read", dovecot.pop3_port, user, **wanted)
        incident = await engine.incident(instance)
        assert incident.message.startswith("DOCUMENT_STORE_MISSING in email.pop3.read: ")
        assert "Bill.pdf" in incident.message
        await engine.cancel_instance(instance)
        assert len(dovecot.messages(user)) == 1
        instance = await start(engine, "email.imap.read", dovecot.imap_port, user, **wanted)
        assert "reference" not in (await engine.completed(instance))["mail"]["attachments"][0]


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_without_a_store_a_task_that_asks_is_an_incident_and_the_mail_stays(
    engine: Engine, dovecot: Dovecot, protocol: str
) -> None:
    user = stored_mail(dovecot)
    port = dovecot.imap_port if protocol == "imap" else dovecot.pop3_port
    async with serving(engine.address):
        wanted = {"messageId": "<1@example.com>", "storeAttachments": True}
        instance = await start(engine, f"email.{protocol}.read", port, user, **wanted)
        incident = await engine.incident(instance)
        assert incident.message.startswith(f"DOCUMENT_STORE_MISSING in email.{protocol}.read: ")
        assert "ZEEBE_REST_ADDRESS" in incident.message
        await engine.cancel_instance(instance)
    assert len(dovecot.messages(user)) == 1


async def test_a_document_that_is_gone_is_an_incident_and_nothing_is_sent(engine: Engine) -> None:
    async with (
        DocumentServer() as documents,
        ScriptedSmtp() as server,
        serving(engine.address, ZEEBE_REST_ADDRESS=documents.address),
    ):
        reference = documents.put(PDF, "Bill.pdf", "application/pdf")
        documents.documents.clear()
        instance = await send(engine, server.port, [reference])
        incident = await engine.incident(instance)
        assert incident.message.startswith("DOCUMENT_NOT_FOUND in email.smtp.send: ")
        assert server.connections == 0
        await engine.cancel_instance(instance)


async def test_a_store_that_is_away_is_tried_again_and_the_mail_is_sent_once(engine: Engine) -> None:
    async with (
        DocumentServer() as documents,
        ScriptedSmtp() as server,
        serving(engine.address, ZEEBE_REST_ADDRESS=documents.address, EMAIL_WORKER_RETRY_BACKOFF_SECONDS="0"),
    ):
        reference = documents.put(PDF, "Bill.pdf", "application/pdf")
        documents.faults.append(503)
        instance = await send(engine, server.port, [reference])
        assert (await engine.completed(instance))["mail"]["sent"] is True
        failures = [event for event in engine.job_events(instance) if event.intent == "FAILED"]
        assert [failure.retries for failure in failures] == [2]
        assert len(server.accepted) == 1
