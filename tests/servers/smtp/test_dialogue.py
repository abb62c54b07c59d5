"""What passes over the wire when all goes well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testkit.accounts import Account
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions

if TYPE_CHECKING:
    from testkit.certificates import Certificates

ANN = Account("ann@example.org", "pässword ✓")


async def test_a_warm_session_sends_with_nothing_but_the_envelope_and_the_message(sender) -> None:
    async with ScriptedSmtp(options=SmtpOptions(extensions=(), account=ANN)) as server:
        for subject in ("first", "second"):
            await sender.send(
                server.port, username=ANN.username, password=ANN.password, subject=subject, cc="cid@example.org"
            )
            if subject == "first":
                server.commands.clear()

    assert server.commands == [
        "MAIL FROM:<ann@example.org>",
        "RCPT TO:<bob@example.org>",
        "RCPT TO:<cid@example.org>",
        "DATA",
    ]
    assert server.connections == 1
    assert len(server.accepted) == 2


async def test_starttls(sender, certificates: Certificates) -> None:
    options = SmtpOptions(starttls=certificates.server.server_context(), account=ANN)
    async with ScriptedSmtp(options=options) as server:
        answer = await sender.send(server.port, protocol="TLS", username=ANN.username, password=ANN.password)
    print(answer, server.commands)


async def test_ssl(sender, certificates: Certificates) -> None:
    options = SmtpOptions(tls=certificates.server.server_context(), account=ANN)
    async with ScriptedSmtp(options=options) as server:
        answer = await sender.send(server.port, protocol="SSL", username=ANN.username, password=ANN.password)
    print(answer, server.commands)
