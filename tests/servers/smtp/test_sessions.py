"""Warm sessions: what passes over the wire, and what happens when one dies while nobody uses it."""

from __future__ import annotations

import asyncio

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.scripted_server import Dialogue, ScriptedServer, Step, close, expect, hang, reset, say, sequence
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep
from testkit.smtp_caller import SmtpCaller

from worker.errors import AuthenticationFailed, MessageRefused, RecipientRefused, ServerUnavailable

ANN = Account("änn@example.org", "pässword ✓")
ENVELOPE = ["MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.org>", "RCPT TO:<cid@example.org>", "DATA"]


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
@pytest.mark.parametrize("protocol", ["NONE", "TLS", "SSL"])
async def test_a_second_mail_opens_no_connection_and_signs_in_no_more(
    protocol: str, extensions: tuple[str, ...], caller: SmtpCaller, certificates: Certificates
) -> None:
    context = certificates.server.server_context()
    options = SmtpOptions(
        account=ANN,
        extensions=extensions,
        starttls=context if protocol == "TLS" else None,
        tls=context if protocol == "SSL" else None,
    )
    async with ScriptedSmtp(options=options) as server:
        await caller.at(server.port, protocol, ANN).send(cc="cid@example.org")
        server.commands.clear()
        await caller.at(server.port, protocol, ANN).send(cc="cid@example.org")

    assert server.commands == ENVELOPE
    assert server.connections == 1
    assert len(server.accepted) == 2


async def test_another_password_is_another_session(caller: SmtpCaller) -> None:
    async with ScriptedSmtp(options=SmtpOptions(account=ANN)) as server:
        await caller.at(server.port, "NONE", ANN).send()
        with pytest.raises(Exception, match="refused the sign-in"):
            await caller.at(server.port, "NONE", Account(ANN.username, "guessed")).send()

    assert len(server.accepted) == 1


@pytest.mark.parametrize("end", [close(), reset()], ids=["closes", "resets"])
@pytest.mark.parametrize("farewell", [(), ("421 4.4.2 Idle for too long",)], ids=["silently", "with a word"])
async def test_an_idle_session_that_the_server_ends_costs_a_silent_reconnect(
    farewell: tuple[str, ...], end: Step, caller: SmtpCaller
) -> None:
    faults = {SmtpStep.ANSWER: sequence(say("250 2.0.0 Accepted", *farewell), end)}
    async with ScriptedSmtp(faults, SmtpOptions(faulty_connections=1)) as server:
        await caller.at(server.port).send()
        await caller.at(server.port).send()

    assert server.connections == 2
    assert len(server.accepted) == 2


@pytest.mark.parametrize("last_words", [(), ("421 4.7.0 Enough mails on this connection",)])
async def test_a_warm_session_that_ends_at_its_next_command_costs_a_silent_reconnect(
    last_words: tuple[str, ...], caller: SmtpCaller
) -> None:
    async def end_at_the_next_command(dialogue: Dialogue) -> None:
        await dialogue.say("250 2.0.0 Accepted")
        await sequence(expect("MAIL", *last_words), close())(dialogue)

    options = SmtpOptions(faulty_connections=1)
    async with ScriptedSmtp({SmtpStep.ANSWER: end_at_the_next_command}, options) as server:
        await caller.at(server.port).send()
        answer = await caller.at(server.port).send()

    assert answer["sent"]
    assert server.connections == 2
    assert len(server.accepted) == 2


async def test_a_warm_session_that_has_lost_its_sign_in_costs_a_silent_reconnect(caller: SmtpCaller) -> None:
    """As when the access token runs out, which some servers say at the next MAIL."""

    async def lose_the_sign_in(dialogue: Dialogue) -> None:
        await dialogue.say("250 2.0.0 Accepted")
        await sequence(expect("MAIL", "530 5.7.57 Client not authenticated"), hang())(dialogue)

    options = SmtpOptions(account=ANN, extensions=(), faulty_connections=1)
    async with ScriptedSmtp({SmtpStep.ANSWER: lose_the_sign_in}, options) as server:
        await caller.at(server.port, account=ANN).send()
        answer = await caller.at(server.port, account=ANN).send()

    assert answer["sent"]
    assert server.connections == 2
    assert len(server.accepted) == 2


async def test_a_new_session_that_is_not_signed_in_is_not_tried_twice(caller: SmtpCaller) -> None:
    async with ScriptedSmtp({SmtpStep.MAIL: say("530 5.7.0 Authentication required")}) as server:
        for _ in range(2):
            with pytest.raises(AuthenticationFailed, match="Authentication required"):
                await caller.at(server.port).send()

    assert server.connections == 2


async def test_a_session_that_takes_no_email_now_is_not_used_again(caller: SmtpCaller) -> None:
    """Some servers say so of a session that has grown old, and go on to say it."""
    options = SmtpOptions(extensions=(), faulty_connections=1)
    async with ScriptedSmtp({SmtpStep.MAIL: say("451 4.4.2 Timeout waiting for data")}, options) as server:
        with pytest.raises(MessageRefused):
            await caller.at(server.port).send()
        answer = await caller.at(server.port).send()

    assert answer["sent"]
    assert server.connections == 2


async def test_a_new_session_that_is_turned_away_is_not_tried_twice(caller: SmtpCaller) -> None:
    async with ScriptedSmtp({SmtpStep.MAIL: say("421 4.7.0 Too many connections")}) as server:
        with pytest.raises(ServerUnavailable, match="Too many connections"):
            await caller.at(server.port).send()

    assert server.connections == 1


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
async def test_a_refused_mail_leaves_a_session_that_is_reset_before_the_next(
    extensions: tuple[str, ...], caller: SmtpCaller
) -> None:
    options = SmtpOptions(extensions=extensions, refused={"gone@example.org": "550 5.1.1 Unknown"})
    async with ScriptedSmtp(options=options) as server:
        await caller.at(server.port).send(to="gone@example.org")
        await caller.at(server.port).send()

    assert "RSET" in server.commands
    assert server.connections == 1
    assert [mail.recipients for mail in server.accepted] == [["bob@example.org"]]


@pytest.mark.parametrize("refusal", ["500 5.5.1 Unknown", "451 4.3.0 Not now"])
async def test_a_session_that_cannot_be_reset_is_replaced(refusal: str, caller: SmtpCaller) -> None:
    async def refuse_sender_and_reset(dialogue: Dialogue) -> None:
        await dialogue.say("550 5.7.1 Not you")
        await sequence(expect("RSET", refusal), hang())(dialogue)

    options = SmtpOptions(extensions=(), faulty_connections=1)
    async with ScriptedSmtp({SmtpStep.MAIL: refuse_sender_and_reset}, options) as server:
        assert not (await caller.at(server.port).send())["sent"]
        assert (await caller.at(server.port).send())["sent"]

    assert server.connections == 2
    assert len(server.accepted) == 1


async def test_data_accepted_without_any_recipient_sends_nothing(caller: SmtpCaller) -> None:
    """Some servers answer DATA, sent together with its envelope, before they look at the recipients."""
    script = [
        say("220 ready"),
        expect("EHLO", "250-mail.example.org", "250 PIPELINING"),
        expect("MAIL", "250 Ok"),
        expect("RCPT", "450 4.2.1 Busy"),
        expect("DATA", "354 Go on"),
        hang(),
    ]

    async with ScriptedServer(script) as server:
        with pytest.raises(RecipientRefused):
            await caller.at(server.port).send()

    assert server.commands[-1] == "DATA"
    assert caller.pool.open_sessions == 0


async def test_replies_to_commands_sent_together_may_come_in_pieces_or_together(
    caller: SmtpCaller,
) -> None:
    async def answer_in_pieces(dialogue: Dialogue) -> None:
        for _ in range(3):
            await dialogue.read_command()
        for byte in b"250-first\r\n250 Ok\r\n250 Ok\r\n":
            await dialogue.send(bytes([byte]))
            await asyncio.sleep(0)
        await dialogue.send(b"354 Go\r\n")

    script = [
        say("220-two lines", "220 ready"),
        expect("EHLO", "250-mail.example.org", "250 PIPELINING"),
        answer_in_pieces,
        read_message,
        say("250 Ok"),
        answer_all_at_once,
        read_message,
        say("250 Ok"),
        hang(),
    ]
    async with ScriptedServer(script) as server:
        assert (await caller.at(server.port).send())["sent"]
        assert (await caller.at(server.port).send())["sent"]


async def answer_all_at_once(dialogue: Dialogue) -> None:
    for _ in range(3):
        await dialogue.read_command()
    await dialogue.send(b"250 Ok\r\n250 Ok\r\n354 Go\r\n")


async def read_message(dialogue: Dialogue) -> None:
    while await dialogue.read_line() != b".\r\n":
        pass
