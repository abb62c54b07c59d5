"""The example processes, each from its start to its ends, as a user deploys them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import pytest_asyncio
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions
from testkit.workers import serving

from worker.sandbox import Engine, Keystore, MailServer, Record

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
DESK = ("orders@example.com", "s3cret")
JANE = ("jane@example.com", "geheim")
BOSS = ("boss@example.com", "geheim")
FIVE_MINUTES, TWO_DAYS = 300, 2 * 24 * 3600

StartEngine = Callable[[], Awaitable[Engine]]


def environment(certificates: Certificates, server: MailServer, **ports: int) -> dict[str, str]:
    """What the operator of a worker sets, so that the examples find their mail server."""
    return {
        "EMAIL_WORKER_TLS_CA_FILE": str(certificates.ca_file),
        "SECRET_SMTP_HOST": server.host,
        "SECRET_SMTP_PORT": str(ports.get("smtp", server.smtps_port)),
        "SECRET_IMAP_HOST": server.host,
        "SECRET_IMAP_PORT": str(server.imaps_port),
        "SECRET_POP3_HOST": server.host,
        "SECRET_POP3_PORT": str(server.pop3s_port),
        "SECRET_MAIL_USER": DESK[0],
        "SECRET_MAIL_PASSWORD": DESK[1],
    }


def mail(sender: str, subject: str, text: str) -> bytes:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = DESK[0]
    message["Subject"] = subject
    message["Message-ID"] = f"<{subject.replace(' ', '-').lower()}@example.com>"
    message.set_content(text)
    return message.as_bytes()


async def passed(engine: Engine, instance: int, element: str, intent: str = "ELEMENT_COMPLETED") -> None:
    """Wait until the instance has come by an element, or with another intent has reached it."""

    def is_there(record: Record) -> bool | None:
        is_it = record.value_type == "PROCESS_INSTANCE" and record.value["elementId"] == element
        return (is_it and record.intent == intent) or None

    await engine.wait_until(instance, is_there, what=f"{intent} of {element}")


@pytest_asyncio.fixture(loop_scope="session")
async def desk(keystore: Keystore) -> AsyncIterator[MailServer]:
    """A mail server of the test's own, with the desk's mailbox empty."""
    async with MailServer.start([DESK, JANE, BOSS], keystore=keystore) as running:
        yield running


ORDER = {"order": {"number": 7, "customer": {"name": "Jane", "email": JANE[0]}}}


async def test_an_order_is_confirmed(engine: Engine, desk: MailServer, certificates: Certificates) -> None:
    await engine.deploy(EXAMPLES / "order-confirmation.bpmn")
    async with serving(engine.address, **environment(certificates, desk)):
        instance = await engine.create_instance("order-confirmation", ORDER)
        ended = await engine.completed(instance)
    (message,) = await desk.wait_for(JANE[0])
    assert set(ended) == {"order", "confirmation"}
    assert ended["confirmation"].encode() in message
    assert b"Dear Jane, we have your order 7." in message
    await passed(engine, instance, "confirmed")


async def test_an_order_whose_address_is_refused_leads_to_a_person(
    engine: Engine, desk: MailServer, certificates: Certificates
) -> None:
    await engine.deploy(EXAMPLES / "order-confirmation.bpmn")
    options = SmtpOptions(
        tls=certificates.server.server_context(),
        account=Account(*DESK),
        refused={JANE[0]: "550 5.1.1 No such mailbox"},
    )
    async with (
        ScriptedSmtp(options=options) as server,
        serving(engine.address, **environment(certificates, desk, smtp=server.port)),
    ):
        instance = await engine.create_instance("order-confirmation", ORDER)
        await engine.completed(instance)
    await passed(engine, instance, "not_reached")


async def test_an_order_that_arrives_later_is_filed(
    start_engine: StartEngine, desk: MailServer, certificates: Certificates
) -> None:
    engine = await start_engine()
    await engine.deploy(EXAMPLES / "incoming-orders.bpmn")
    async with serving(engine.address, **environment(certificates, desk)):
        instance = await engine.create_instance("incoming-orders")
        await passed(engine, instance, "wait", "ELEMENT_ACTIVATED")
        await desk.deliver(DESK[0], mail(JANE[0], "An order", "Ten pencils, please."))
        await engine.increase_time(FIVE_MINUTES + 1)
        ended = await engine.completed(instance)
    assert ended["email"]["plainTextBody"].strip() == "Ten pencils, please."
    assert ended["filedIn"] == "Orders"


async def test_an_email_that_is_no_order_is_filed_elsewhere(
    engine: Engine, desk: MailServer, certificates: Certificates
) -> None:
    await engine.deploy(EXAMPLES / "incoming-orders.bpmn")
    await desk.deliver(DESK[0], mail(JANE[0], "Season's greetings", "All the best."))
    async with serving(engine.address, **environment(certificates, desk)):
        instance = await engine.create_instance("incoming-orders")
        assert (await engine.completed(instance))["filedIn"] == "Other"


async def test_an_email_without_subject_and_message_id_is_filed_too(
    engine: Engine, desk: MailServer, certificates: Certificates
) -> None:
    await engine.deploy(EXAMPLES / "incoming-orders.bpmn")
    await desk.deliver(DESK[0], b"From: jane@example.com\r\n\r\nAll the best.\r\n")
    async with serving(engine.address, **environment(certificates, desk)):
        instance = await engine.create_instance("incoming-orders")
        assert (await engine.completed(instance))["filedIn"] == "Other"


QUESTION = {
    "customer": JANE[0],
    "manager": BOSS[0],
    "question": "Which colour shall it be?",
    "reference": "Q-17",
}


async def test_a_question_that_is_answered_in_time_ends_there(
    start_engine: StartEngine, desk: MailServer, certificates: Certificates
) -> None:
    engine = await start_engine()
    await engine.deploy(EXAMPLES / "unanswered-question.bpmn")
    async with serving(engine.address, **environment(certificates, desk)):
        instance = await engine.create_instance("unanswered-question", QUESTION)
        await passed(engine, instance, "wait", "ELEMENT_ACTIVATED")
        (question,) = await desk.wait_for(JANE[0])
        asked = message_from_bytes(question)["Message-ID"]
        answer = f"In-Reply-To: {asked}\r\n".encode() + mail(JANE[0], "Blue it is", "Blue.")
        await desk.deliver(DESK[0], answer)
        await engine.increase_time(TWO_DAYS + 1)
        ended = await engine.completed(instance)
    assert [answer["subject"] for answer in ended["answers"]] == ["Blue it is"]
    assert await desk.messages(BOSS[0]) == []
    await passed(engine, instance, "answered")


async def test_a_question_without_an_answer_is_told_to_the_manager(
    start_engine: StartEngine, desk: MailServer, certificates: Certificates
) -> None:
    engine = await start_engine()
    await engine.deploy(EXAMPLES / "unanswered-question.bpmn")
    async with serving(engine.address, **environment(certificates, desk)):
        instance = await engine.create_instance("unanswered-question", QUESTION)
        await passed(engine, instance, "wait", "ELEMENT_ACTIVATED")
        await engine.increase_time(TWO_DAYS + 1)
        await engine.completed(instance)
    (message,) = await desk.wait_for(BOSS[0])
    assert b"Which colour shall it be?" in message
    await passed(engine, instance, "escalated")


async def test_a_bounce_is_found_and_taken_from_the_mailbox(
    engine: Engine, desk: MailServer, certificates: Certificates
) -> None:
    await engine.deploy(EXAMPLES / "bounce-check.bpmn")
    report = mail("MAILER-DAEMON@example.com", "Undelivered mail", f"<{JANE[0]}>: user unknown")
    await desk.deliver(DESK[0], report)
    async with serving(engine.address, **environment(certificates, desk)):
        others = await engine.create_instance("bounce-check", {"recipient": "joe@example.com"})
        assert "bounce" not in await engine.completed(others)
        assert len(await desk.messages(DESK[0])) == 1
        instance = await engine.create_instance("bounce-check", {"recipient": JANE[0]})
        ended = await engine.completed(instance)
    assert ended["bounce"]["subject"] == "Undelivered mail"
    assert "user unknown" in ended["bounce"]["text"]
    assert await desk.messages(DESK[0]) == []
