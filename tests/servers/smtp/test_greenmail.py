"""The same against the mail server of the sandbox, which the demo uses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes, policy

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.smtp_caller import SmtpCaller

from worker.errors import AuthenticationFailed, ConnectionFailed
from worker.sandbox import Keystore, MailServer

BOB = Account("bob@example.org", "s3cret")


@pytest.fixture
async def mail_server(certificates: Certificates) -> AsyncIterator[MailServer]:
    """A GreenMail that Bob has an account at."""
    keystore = Keystore(certificates.server.keystore("changeit"), "changeit")
    async with MailServer.start([(BOB.username, BOB.password)], keystore=keystore) as server:
        yield server


async def test_a_mail_arrives_and_a_wrong_password_does_not_send_one(
    mail_server: MailServer, caller: SmtpCaller
) -> None:
    variables = await caller.at(mail_server.smtp_port, account=BOB).send(subject="Grüße", body="Grüße ✓")
    with pytest.raises(AuthenticationFailed):
        await caller.at(mail_server.smtp_port, account=Account(BOB.username, "guessed")).send()
    await caller.at(mail_server.smtps_port, "SSL").send(subject="encrypted")

    first, second = [
        message_from_bytes(raw, policy=policy.default) for raw in await mail_server.wait_for(BOB.username, 2)
    ]
    assert variables == {"subject": "Grüße", "sent": True, "messageId": "<job-1@example.org>"}
    assert (first["Subject"], first.get_content()) == ("Grüße", "Grüße ✓\r\n")
    assert second["Subject"] == "encrypted"


async def test_a_server_that_was_killed_and_started_again_costs_no_error(
    mail_server: MailServer, caller: SmtpCaller
) -> None:
    sender = caller.at(mail_server.smtp_port)
    await sender.send()
    await mail_server.kill()
    with pytest.raises(ConnectionFailed):
        await sender.send()
    await mail_server.restart()
    await sender.send(subject="after")

    (mail,) = await mail_server.wait_for(BOB.username)
    assert b"Subject: after" in mail


async def test_many_emails_at_the_same_time_each_arrive_once_over_few_connections(
    mail_server: MailServer, caller: SmtpCaller
) -> None:
    sender = caller.at(mail_server.smtp_port)
    await asyncio.gather(*(sender.send(reference=f"job-{number}") for number in range(100)))

    mails = await mail_server.wait_for(BOB.username, 100)
    ids = {message_from_bytes(mail)["Message-ID"] for mail in mails}
    assert len(mails) == len(ids) == 100
    assert caller.pool.open_sessions <= 8
