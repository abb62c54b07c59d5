"""How a session is opened: without DNS for a name; cancelled at any step, it leaves nothing open."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl

import pytest
from testkit.certificates import Certificates
from testkit.scripted_server import ScriptedServer, hang, say
from testkit.scripted_smtp import ScriptedSmtp
from testkit.smtp_caller import PATIENT

from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.smtp.opening import open_smtp_session


def account(port: int, encryption: Encryption = Encryption.NONE) -> Account:
    return Account(MailProtocol.SMTP, "localhost", port, encryption)


async def test_the_name_of_this_machine_is_not_asked_of_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the name server is silent, that would look like a server without a greeting."""
    monkeypatch.setattr(socket, "getfqdn", lambda: pytest.fail("DNS was asked"))
    context = ssl.create_default_context()
    async with ScriptedSmtp() as server:
        session = await open_smtp_session(account(server.port), tls_context=context, timeouts=PATIENT)
        session.abort()
    assert server.commands == ["EHLO [127.0.0.1]"]


@pytest.mark.parametrize("encryption", [Encryption.NONE, Encryption.IMPLICIT])
async def test_an_opening_that_is_cancelled_ends_at_once_and_leaves_nothing_open(
    encryption: Encryption, certificates: Certificates
) -> None:
    context = certificates.client_context()
    tls = certificates.server.server_context() if encryption is Encryption.IMPLICIT else None
    for turns in range(40):  # of the event loop; after so many, or less, it waits for the reply to EHLO
        async with ScriptedServer([say("220 ready"), hang()], tls=tls) as server:
            opening = asyncio.create_task(
                open_smtp_session(account(server.port, encryption), tls_context=context, timeouts=PATIENT)
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.wait([opening])
        assert opening.cancelled(), f"after {turns} turns: {opening}"
    gc.collect()  # what was left open is an error here
