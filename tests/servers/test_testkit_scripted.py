from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import aiosmtplib
import pytest
from testkit.accounts import Account
from testkit.scripted_server import (
    ScriptedServer,
    answer_all,
    close,
    drip,
    endless_line,
    expect,
    garbage,
    hang,
    reset,
    say,
    sequence,
    start_tls,
    wait_for,
)
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep

if TYPE_CHECKING:
    from testkit.certificates import Certificates
    from testkit.scripted_server import Step

MAIL = b"Subject: hello\r\n\r\n.dotted\r\nend\r\n"


async def connect(server: ScriptedServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(server.host, server.port)


async def send_mail(server: ScriptedSmtp) -> None:
    client = aiosmtplib.SMTP(hostname=server.host, port=server.port, timeout=60, start_tls=False)
    async with client:
        await client.sendmail("ann@example.org", ["bob@example.org", "cid@example.org"], MAIL)


async def test_a_scripted_server_says_its_script_and_remembers_the_commands() -> None:
    script = [say("* OK ready"), expect(r"\S+ LOGIN", "* CAPABILITY IMAP4rev1", "{tag} OK in"), close()]
    async with ScriptedServer(script) as server:
        reader, writer = await connect(server)
        writer.write(b"a1 LOGIN ann s3cret\r\n")
        assert await reader.read() == b"* OK ready\r\n* CAPABILITY IMAP4rev1\r\na1 OK in\r\n"
        writer.close()
        assert server.commands == ["a1 LOGIN ann s3cret"]


async def test_a_command_out_of_the_script_fails_the_test() -> None:
    server = await ScriptedServer([expect("USER")]).__aenter__()
    reader, writer = await connect(server)
    writer.write(b"STAT\r\n")
    await reader.read()
    writer.close()
    with pytest.raises(AssertionError, match="'STAT' came where 'USER' was expected"):
        await server.__aexit__(None, None, None)


async def test_each_connection_gets_its_own_script_and_the_last_is_for_the_rest() -> None:
    async with ScriptedServer([say("one"), close()], [say("two"), close()]) as server:
        said = []
        for _ in range(3):
            reader, writer = await connect(server)
            said.append(await reader.read())
            writer.close()
        assert said == [b"one\r\n", b"two\r\n", b"two\r\n"]
        assert server.connections == 3


async def test_a_scripted_server_speaks_tls_from_the_first_byte_and_after_a_command(
    certificates: Certificates,
) -> None:
    tls, trust = certificates.server.server_context(), certificates.client_context()
    async with (
        ScriptedServer([say("hello"), close()], tls=tls) as wrapped,
        ScriptedServer([expect("STLS", "+OK"), start_tls(tls), expect("NOOP", "+OK safe"), close()]) as plain,
    ):
        reader, writer = await asyncio.open_connection("localhost", wrapped.port, ssl=trust)
        assert await reader.read() == b"hello\r\n"
        writer.close()
        reader, writer = await connect(plain)
        writer.write(b"STLS\r\n")
        assert await reader.readline() == b"+OK\r\n"
        await writer.start_tls(trust, server_hostname="localhost")
        writer.write(b"NOOP\r\n")
        assert await reader.read() == b"+OK safe\r\n"
        writer.close()


async def test_a_server_ends_while_a_client_delays_its_handshake(certificates: Certificates) -> None:
    async with ScriptedServer([say("hello")], tls=certificates.server.server_context()) as server:
        _, writer = await connect(server)
    writer.close()


async def test_a_reset_is_a_reset_and_no_orderly_end() -> None:
    async with ScriptedServer([expect("NOOP"), reset()]) as server:
        reader, writer = await connect(server)
        writer.write(b"NOOP\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_script_can_drip_babble_and_wait_for_the_test() -> None:
    go = asyncio.Event()
    async with ScriptedServer([drip("+OK", 0), garbage(), wait_for(go), say("end"), close()]) as server:
        reader, writer = await connect(server)
        assert await reader.readline() == b"+OK\r\n"
        assert await reader.readline() == bytes(range(128, 256)) + b"\x00\r\n"
        go.set()
        assert await reader.readline() == b"end\r\n"
        writer.close()


async def test_an_endless_line_ends_when_the_client_goes() -> None:
    async with ScriptedServer([endless_line()]) as server:
        reader, writer = await connect(server)
        await reader.readexactly(1_000_000)
        writer.transport.abort()


async def test_a_server_that_hangs_answers_nothing_and_still_ends() -> None:
    async with ScriptedServer([answer_all({"USER": "+OK"})], [hang()]) as server:
        _, first = await connect(server)
        first.write(b"USER a\r\nUSER b\r\n")
        await server.heard("user", times=2)
        reader, second = await connect(server)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        first.close()
        second.close()


async def test_the_smtp_server_accepts_a_mail_as_it_was_sent() -> None:
    async with ScriptedSmtp() as server:
        await send_mail(server)
        (mail,) = server.accepted
    assert (mail.sender, mail.recipients) == ("ann@example.org", ["bob@example.org", "cid@example.org"])
    assert mail.raw == MAIL


async def test_the_smtp_server_accepts_email_only_after_tls_and_sign_in(certificates: Certificates) -> None:
    options = SmtpOptions(starttls=certificates.server.server_context(), account=Account("ann", "gehëim"))
    async with ScriptedSmtp(options=options) as server:
        client = aiosmtplib.SMTP(
            hostname="localhost", port=server.port, timeout=60, tls_context=certificates.client_context()
        )
        async with client:
            with pytest.raises(aiosmtplib.SMTPSenderRefused):
                await client.sendmail("ann@example.org", ["bob@example.org"], MAIL)
            with pytest.raises(aiosmtplib.SMTPAuthenticationError):
                await client.login("ann", "wrong")
            await client.login("ann", "gehëim")
            await client.sendmail("ann@example.org", ["bob@example.org"], MAIL)
        assert len(server.accepted) == 1


@pytest.mark.parametrize("step", [step for step in SmtpStep if step not in {"starttls", "auth", "quit"}])
@pytest.mark.parametrize(
    "fault", [close(), reset(), say("421 4.3.2 going down")], ids=["close", "reset", "421"]
)
async def test_the_smtp_server_fails_at_the_step_it_is_told(step: SmtpStep, fault: Step) -> None:
    async with ScriptedSmtp({step: sequence(fault, close())}, SmtpOptions(faulty_connections=1)) as server:
        with pytest.raises((aiosmtplib.SMTPException, OSError)):
            await send_mail(server)
        accepted = 1 if step is SmtpStep.ANSWER else 0
        assert len(server.accepted) == accepted
        await send_mail(server)
        assert len(server.accepted) == accepted + 1


async def test_the_smtp_server_fails_at_starttls_at_the_sign_in_and_at_the_end(
    certificates: Certificates,
) -> None:
    options = SmtpOptions(starttls=certificates.server.server_context(), account=Account("ann", "s3cret"))
    for step in (SmtpStep.STARTTLS, SmtpStep.AUTH, SmtpStep.QUIT):
        async with ScriptedSmtp({step: reset()}, options) as server:
            client = aiosmtplib.SMTP(
                hostname="localhost",
                port=server.port,
                timeout=60,
                username="ann",
                password="s3cret",
                tls_context=certificates.client_context(),
            )
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.connect()
                await client.quit()
            client.close()
            # Nothing came after the reset.
            assert server.commands[-1].split(" ")[0] == step.upper()


async def test_the_smtp_server_refuses_the_recipients_it_is_told() -> None:
    async with ScriptedSmtp(options=SmtpOptions(refused={"bob@example.org": "550 5.1.1 no"})) as server:
        await send_mail(server)
        assert server.accepted[0].recipients == ["cid@example.org"]
