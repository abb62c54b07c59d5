"""The operation as a user calls it: by name, with the variables of a job, by the worker's settings."""

from __future__ import annotations

from typing import Any

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.scripted_server import hang, say
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep
from testkit.workers import email_worker

from worker.errors import AuthenticationFailed, InputError, ServerNotAllowed, ServerTimeout, TlsFailed

ANN = Account("ann@example.org", "s3cret")


def variables(port: int, protocol: str = "TLS", **parameters: Any) -> dict[str, Any]:
    return {
        "authentication": {
            "type": "simple",
            "username": ANN.username,
            "password": "{{secrets.MAIL_PASSWORD}}",
        },
        "server": {"host": "127.0.0.1", "port": str(port), "cryptographicProtocol": protocol},
        "parameters": {
            "from": "ann@example.org",
            "to": ["bob@example.org"],
            "cc": None,
            "subject": "Hello",
            "body": "Hello {{secrets.MAIL_PASSWORD}}",
            **parameters,
        },
    }


async def test_mails_are_sent_over_one_session_and_only_the_password_is_a_secret(
    certificates: Certificates,
) -> None:
    options = SmtpOptions(starttls=certificates.server.server_context(), account=ANN)
    environment = {
        "EMAIL_WORKER_TLS_CA_FILE": str(certificates.ca_file),
        "SECRET_MAIL_PASSWORD": ANN.password,
    }
    async with ScriptedSmtp(options=options) as server, email_worker(**environment) as email:
        results = [await email.call("email.smtp.send", variables(server.port)) for _ in range(2)]

    assert [result["sent"] for result in results] == [True, True]
    assert results[0]["messageId"] != results[1]["messageId"]
    assert server.connections == 1
    assert b"Hello {{secrets.MAIL_PASSWORD}}" in server.accepted[0].raw


async def test_an_authority_is_trusted_only_if_the_settings_name_it(certificates: Certificates) -> None:
    options = SmtpOptions(starttls=certificates.server.server_context(), account=ANN)
    async with ScriptedSmtp(options=options) as server, email_worker(SECRET_MAIL_PASSWORD="x") as email:
        with pytest.raises(TlsFailed, match="EMAIL_WORKER_TLS_CA_FILE"):
            await email.call("email.smtp.send", variables(server.port))


@pytest.mark.parametrize("protocol", ["TLS", "SSL"])
@pytest.mark.parametrize("flaw", ["wrong_host", "expired"])
async def test_a_wrong_certificate_is_refused_by_a_worker_of_these_settings(
    flaw: str, protocol: str, certificates: Certificates
) -> None:
    context = getattr(certificates, flaw).server_context()
    options = SmtpOptions(**{"TLS": {"starttls": context}, "SSL": {"tls": context}}[protocol])
    environment = {"EMAIL_WORKER_TLS_CA_FILE": str(certificates.ca_file), "SECRET_MAIL_PASSWORD": "x"}
    async with ScriptedSmtp(options=options) as server, email_worker(**environment) as email:
        with pytest.raises(TlsFailed, match="certificate"):
            await email.call("email.smtp.send", variables(server.port, protocol))


async def test_a_server_that_the_operator_does_not_allow_is_not_called() -> None:
    environment = {
        "EMAIL_WORKER_ALLOWED_SERVERS": "smtp.example.com, 127.0.0.1:1",
        "SECRET_MAIL_PASSWORD": "x",
    }
    async with ScriptedSmtp() as server, email_worker(**environment) as email:
        with pytest.raises(ServerNotAllowed, match=f"127.0.0.1:{server.port} is not among"):
            await email.call("email.smtp.send", variables(server.port, "NONE"))

    assert server.connections == 0


async def test_a_password_that_the_server_repeats_is_hidden() -> None:
    faults = {SmtpStep.AUTH: say(f"535 5.7.8 {ANN.username} with {ANN.password} is unknown")}
    environment = {"SECRET_MAIL_PASSWORD": ANN.password}
    async with ScriptedSmtp(faults, SmtpOptions(account=ANN)) as server, email_worker(**environment) as email:
        with pytest.raises(AuthenticationFailed) as caught:
            await email.call("email.smtp.send", variables(server.port, "NONE"))

    assert "is unknown" in caught.value.message
    assert ANN.password not in caught.value.message + str(caught.value.details)


@pytest.mark.parametrize("before", range(980, 1000, 2))
async def test_not_even_half_a_password_is_left_where_a_long_answer_is_cut(before: int) -> None:
    password = "ABCDEFGHIJKLMNOP"
    faults = {SmtpStep.AUTH: say(f"535 {'x' * (before - 1)} {password} is unknown")}
    environment = {"SECRET_MAIL_PASSWORD": password}
    async with ScriptedSmtp(faults, SmtpOptions(account=ANN)) as server, email_worker(**environment) as email:
        with pytest.raises(AuthenticationFailed) as caught:
            await email.call("email.smtp.send", variables(server.port, "NONE"))

    assert "x" * 900 in caught.value.message
    assert "ABC" not in caught.value.message


async def test_the_limits_of_the_settings_apply() -> None:
    environment = {"SECRET_MAIL_PASSWORD": ANN.password, "EMAIL_WORKER_GREETING_TIMEOUT_SECONDS": "0.1"}
    async with ScriptedSmtp({SmtpStep.GREETING: hang()}) as server, email_worker(**environment) as email:
        with pytest.raises(ServerTimeout, match="0\\.1 seconds"):
            await email.call("email.smtp.send", variables(server.port, "NONE"))


async def test_a_bad_field_is_named_before_anybody_is_called() -> None:
    async with ScriptedSmtp() as server, email_worker(SECRET_MAIL_PASSWORD="x") as email:
        with pytest.raises(InputError, match=r"^parameters\.bcc must be an address .* found 'a b@c'"):
            await email.call("email.smtp.send", variables(server.port, "NONE", bcc="a b@c"))

    assert server.connections == 0
