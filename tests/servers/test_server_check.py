"""`email-worker check --server`: what an operator is told of a mail server, and whether a sign-in works."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from testkit.accounts import Account
from testkit.dovecot import Dovecot
from testkit.dovecot_oauth import oauth_options
from testkit.listening import listening
from testkit.postfix import Postfix, PostfixOptions
from testkit.processes import free_port
from testkit.token_server import TokenServer
from typer.testing import CliRunner, Result

from worker.cli import app
from worker.sandbox import MailServer
from worker.server_check import check_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from testkit.certificates import Certificates

ANN = {"username": "ann", "password": "s3cret"}


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificates: Certificates) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMAIL_WORKER_TLS_CA_FILE", str(certificates.ca_file))
    monkeypatch.setenv("SECRET_ANN", "s3cret")


def check(server: str, protocol: str = "", authentication: dict[str, Any] | None = None) -> Result:
    arguments = ["check", "--server", server]
    arguments += ["--protocol", protocol] if protocol else []
    arguments += ["--variables", "-"] if authentication else []
    given = json.dumps({"authentication": authentication}) if authentication else None
    return CliRunner().invoke(app, arguments, input=given)


@pytest.fixture
def dovecot_with_ann(certificates: Certificates) -> Any:
    with Dovecot(certificates.server) as server:
        server.add_user("ann", "s3cret")
        yield server


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_mailbox_server_is_described_and_signed_in_to(dovecot_with_ann: Dovecot, protocol: str) -> None:
    port = dovecot_with_ann.imaps_port if protocol == "imap" else dovecot_with_ann.pop3s_port
    said = check(f"localhost:{port}", protocol, {**ANN, "password": "{{secrets.ANN}}"})
    assert said.exit_code == 0, said.output
    assert f"The {protocol.upper()} server localhost, port {port}, answers at 127.0.0.1." in said.output
    assert "Encrypted by TLSv1.3" in said.output
    assert "Certificate for localhost" in said.output
    assert "User name and password; no access tokens." in said.output
    assert '"cryptographicProtocol": "SSL"' in said.output
    assert said.output.rstrip().endswith("Signed in.")
    assert "s3cret" not in said.output


def test_a_wrong_password_is_told(dovecot_with_ann: Dovecot) -> None:
    said = check(f"localhost:{dovecot_with_ann.imaps_port}", "imap", {**ANN, "password": "wr0ng"})
    assert said.exit_code == 1
    assert "refused the sign-in" in said.output
    assert "wr0ng" not in said.output


def test_a_server_without_tls_is_described_with_a_warning(dovecot_with_ann: Dovecot) -> None:
    said = check(f"localhost:{dovecot_with_ann.imap_port}", "imap")
    assert said.exit_code == 1
    assert "The connection is not encrypted." in said.output
    assert "does not begin with TLS" in said.output
    assert "Capabilities: IMAP4REV1" in said.output


def test_a_submission_server_is_described_and_signed_in_to(certificates: Certificates) -> None:
    with Postfix(certificates.server, PostfixOptions(account=Account("ann", "s3cret"))) as server:
        for port, choice in ((server.smtp_port, "TLS"), (server.smtps_port, "SSL")):
            said = check(f"localhost:{port}", "smtp", ANN)
            assert said.exit_code == 0, said.output
            assert f'"cryptographicProtocol": "{choice}"' in said.output
            assert "Encrypted by TLSv1.3" in said.output
            assert "Signed in." in said.output


def test_a_relay_is_told_to_want_no_sign_in(certificates: Certificates) -> None:
    with Postfix(certificates.server) as server:
        said = check(f"localhost:{server.smtp_port}", "smtp", {"type": "noAuth"})
    assert said.exit_code == 0, said.output
    assert 'authentication.type "noAuth"' in said.output


def test_without_credentials_nobody_signs_in(dovecot_with_ann: Dovecot) -> None:
    said = check(f"localhost:{dovecot_with_ann.imaps_port}", "imap")
    assert said.exit_code == 0
    assert "Not signed in" in said.output


def test_the_workers_own_account_is_tried_at_its_own_server(
    dovecot_with_ann: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_WORKER_DEFAULT_IMAP_HOST", "localhost")
    monkeypatch.setenv("EMAIL_WORKER_DEFAULT_IMAP_PORT", str(dovecot_with_ann.imaps_port))
    monkeypatch.setenv("EMAIL_WORKER_DEFAULT_IMAP_USERNAME", "ann")
    monkeypatch.setenv("EMAIL_WORKER_DEFAULT_IMAP_PASSWORD", "s3cret")
    said = check(f"localhost:{dovecot_with_ann.imaps_port}", "imap")
    assert "Signed in." in said.output
    elsewhere = check(f"127.0.0.1:{dovecot_with_ann.imaps_port}", "imap")
    assert "Not signed in" in elsewhere.output
    monkeypatch.delenv("EMAIL_WORKER_DEFAULT_IMAP_USERNAME")
    monkeypatch.delenv("EMAIL_WORKER_DEFAULT_IMAP_PASSWORD")
    assert "Not signed in" in check(f"localhost:{dovecot_with_ann.imaps_port}", "imap").output


@pytest.mark.parametrize("name", ["wrong_host", "expired"])
def test_a_certificate_that_is_not_trusted_is_shown_and_nobody_signs_in(
    certificates: Certificates, name: str
) -> None:
    with Dovecot(getattr(certificates, name)) as server:
        server.add_user("ann", "s3cret")
        said = check(f"localhost:{server.imaps_port}", "imap", ANN)
        logged = server.log()
    assert said.exit_code == 1
    assert "Certificate for " in said.output
    assert "is not trusted" in said.output
    assert "Signed in" not in said.output
    assert "Login:" not in logged


async def test_a_token_is_fetched_and_shown(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with TokenServer("ann@example.org") as identity:
        monkeypatch.setenv("EMAIL_WORKER_ALLOWED_TOKEN_ENDPOINTS", identity.url)
        with oauth_options(public_key=identity.public_key) as options:
            tokens_alone = replace(options, extra=options.extra.replace("plain login", ""))
            with Dovecot(certificates.server, tokens_alone) as server:
                server.add_user("ann@example.org", "unused")
                given = {"authentication": identity.authentication()}
                is_good = await check_server(f"localhost:{server.imaps_port}", "imap", given, None)
    output = capsys.readouterr().out
    assert is_good, output
    assert "OAUTHBEARER" in output
    assert "Signed in." in output
    assert identity.tokens[0] not in output


async def test_greenmail_is_described_and_signed_in_to(capsys: pytest.CaptureFixture[str]) -> None:
    async with MailServer.start([("ann", "s3cret")], tls=False) as server:
        for protocol, port in (("smtp", server.smtp_port), ("imap", server.imap_port)):
            is_good = await check_server(f"localhost:{port}", protocol, {"authentication": ANN}, None)
            output = capsys.readouterr().out
            assert not is_good  # as it is not encrypted
            assert f"The {protocol.upper()} server localhost" in output
            assert '"cryptographicProtocol": "NONE"' in output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["localhost"], "HOST:PORT, with a port from 1 to 65535; found 'localhost'."),
        (
            ["local host:993"],
            "with a port from 1 to 65535; found 'local host:993'.",
        ),
        (["localhost:99999", "--protocol", "imap"], "with a port from 1 to 65535"),
        (["localhost:abc"], "--server must be HOST:PORT"),
        (["localhost:4711"], "--protocol is required for port 4711: one of smtp, imap, pop3."),
        (["localhost:993", "--protocol", "ftp"], "--protocol must be one of smtp, imap, pop3; found 'ftp'."),
    ],
)
def test_what_cannot_be_read_is_one_sentence(arguments: list[str], says: str) -> None:
    said = CliRunner().invoke(app, ["check", "--server", *arguments])
    assert said.exit_code == 1
    assert says in said.stderr


def test_a_server_that_is_not_there_is_told() -> None:
    said = check(f"localhost:{free_port()}", "imap")
    assert said.exit_code == 1
    assert "No connection to localhost" in said.output
    said = check("nowhere.invalid:993")
    assert "Cannot resolve the host nowhere.invalid" in said.output


@asynccontextmanager
async def endless(greeting: bytes, line: bytes) -> AsyncIterator[int]:
    """A server that repeats a line without end; yields its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(greeting)
            await reader.readline()
            while True:
                writer.write(line)
                await writer.drain()

    async with listening(talk) as port:
        yield port


@pytest.mark.parametrize(
    ("protocol", "greeting", "line"),
    [
        ("imap", b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1\r\n"),
        ("pop3", b"+OK ready\r\n", b"+OK\r\n"),
        ("smtp", b"220 ready\r\n", b"250-SIZE\r\n"),
    ],
)
async def test_a_server_that_answers_without_end_is_given_up(
    protocol: str, greeting: bytes, line: bytes
) -> None:
    limit = {**os.environ, "EMAIL_WORKER_GREETING_TIMEOUT_SECONDS": "1"}
    async with endless(greeting, line) as port:
        # As a process of its own: its end is also that of the thread that still listens.
        arguments = ("-m", "worker", "check", "--server", f"127.0.0.1:{port}", "--protocol", protocol)
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=limit, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
    assert process.returncode == 1
    assert b"does not begin with TLS" in output


def test_a_server_of_another_protocol_is_told(dovecot_with_ann: Dovecot) -> None:
    # As a process of its own: poplib leaves the connection open if the greeting is not one.
    server = f"localhost:{dovecot_with_ann.imaps_port}"
    command = (sys.executable, "-m", "worker", "check", "--server", server, "--protocol", "pop3")
    said = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    assert said.returncode == 1
    assert "check the port and --protocol" in " ".join(said.stdout.split())
