"""TLS is as asked or not at all, and the certificate is always verified."""

from __future__ import annotations

import ssl

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificate, Certificates
from testkit.scripted_server import (
    Dialogue,
    ScriptedServer,
    close,
    expect,
    hang,
    say,
    sequence,
    start_tls,
)
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep
from testkit.smtp_caller import SmtpCaller

from worker.errors import ServerTimeout, ServerUnavailable, TlsFailed

ANN = Account("ann@example.org", "s3cret")


def options_for(protocol: str, certificate: Certificate) -> SmtpOptions:
    context = certificate.server_context()
    if protocol == "SSL":
        return SmtpOptions(tls=context, account=ANN)
    return SmtpOptions(starttls=context, account=ANN)


async def test_a_server_without_starttls_is_told_nothing_more(caller: SmtpCaller) -> None:
    async with ScriptedSmtp(options=SmtpOptions(account=ANN)) as server:
        with pytest.raises(TlsFailed, match="does not offer STARTTLS"):
            await caller.at(server.port, "TLS", ANN).send()

    assert [command.split()[0] for command in server.commands] == ["EHLO"]


async def test_a_server_that_refuses_starttls_is_told_nothing_more(
    caller: SmtpCaller, certificates: Certificates
) -> None:
    faults = {SmtpStep.STARTTLS: say("502 5.5.1 Not today")}
    async with ScriptedSmtp(faults, options_for("TLS", certificates.server)) as server:
        with pytest.raises(TlsFailed, match="Not today"):
            await caller.at(server.port, "TLS", ANN).send()

    assert [command.split()[0] for command in server.commands] == ["EHLO", "STARTTLS"]


async def test_a_server_that_cannot_start_tls_now_is_worth_a_retry(
    caller: SmtpCaller, certificates: Certificates
) -> None:
    faults = {SmtpStep.STARTTLS: say("454 4.7.0 TLS not available")}
    async with ScriptedSmtp(faults, options_for("TLS", certificates.server)) as server:
        with pytest.raises(ServerUnavailable, match="TLS not available"):
            await caller.at(server.port, "TLS", ANN).send()


@pytest.mark.parametrize("protocol", ["TLS", "SSL"])
@pytest.mark.parametrize("flaw", ["wrong_host", "expired"])
async def test_a_wrong_certificate_is_refused_before_the_sign_in(
    flaw: str, protocol: str, caller: SmtpCaller, certificates: Certificates
) -> None:
    async with ScriptedSmtp(options=options_for(protocol, getattr(certificates, flaw))) as server:
        with pytest.raises(TlsFailed, match="certificate") as caught:
            await caller.at(server.port, protocol, ANN).send()

    assert not caught.value.is_retryable
    assert not any(command.startswith("AUTH") for command in server.commands)


@pytest.mark.parametrize("protocol", ["TLS", "SSL"])
async def test_an_untrusted_certificate_authority_is_refused_before_the_sign_in(
    protocol: str, certificates: Certificates
) -> None:
    caller = SmtpCaller.open(ssl.create_default_context())
    async with ScriptedSmtp(options=options_for(protocol, certificates.server)) as server:
        with pytest.raises(TlsFailed, match="EMAIL_WORKER_TLS_CA_FILE"):
            await caller.at(server.port, protocol, ANN).send()

    assert not any(command.startswith("AUTH") for command in server.commands)


async def test_tls_from_the_first_byte_to_a_server_in_the_clear_is_refused(caller: SmtpCaller) -> None:
    async with ScriptedSmtp(options=SmtpOptions(account=ANN)) as server:
        with pytest.raises(TlsFailed, match="check cryptographicProtocol and port"):
            await caller.at(server.port, "SSL", ANN).send()


async def test_a_server_that_closes_in_the_middle_of_the_handshake_is_worth_a_retry(
    caller: SmtpCaller, certificates: Certificates
) -> None:
    faults = {SmtpStep.STARTTLS: sequence(say("220 2.0.0 Go ahead"), close())}
    async with ScriptedSmtp(faults, options_for("TLS", certificates.server)) as server:
        with pytest.raises(Exception, match=f"127.0.0.1:{server.port}") as caught:
            await caller.at(server.port, "TLS", ANN).send()

    assert caught.value.is_retryable  # type: ignore[attr-defined]


@pytest.mark.parametrize("protocol", ["TLS", "SSL"])
async def test_a_handshake_that_hangs_is_a_timeout(
    protocol: str, hasty_caller: SmtpCaller, certificates: Certificates
) -> None:
    faults = {
        SmtpStep.CONNECT: hang() if protocol == "SSL" else sequence(),
        SmtpStep.STARTTLS: sequence(say("220 2.0.0 Go ahead"), hang()),
    }
    async with ScriptedSmtp(faults, options_for(protocol, certificates.server)) as server:
        with pytest.raises(ServerTimeout, match=r"within 1\.5 seconds"):
            await hasty_caller.at(server.port, protocol, ANN).send()


async def test_capabilities_from_before_tls_are_ignored_after_it(
    caller: SmtpCaller, certificates: Certificates
) -> None:
    """A stranger on the way adds replies before the handshake, to be read as the server's own after it."""

    async def inject(dialogue: Dialogue) -> None:
        await dialogue.read_command()
        await dialogue.send(b"220 Go ahead\r\n250-evil\r\n250 AUTH PLAIN\r\n")

    script = [
        say("220 ready"),
        expect("EHLO", "250-mail.example.org", "250-AUTH PLAIN", "250 STARTTLS"),
        inject,
        start_tls(certificates.server.server_context()),
        expect("EHLO", "250 mail.example.org"),
        hang(),
    ]
    async with ScriptedServer(script) as server:
        with pytest.raises(Exception, match="offers no sign-in"):
            await caller.at(server.port, "TLS", ANN).send()

    assert not any(command.startswith("AUTH") for command in server.commands)
