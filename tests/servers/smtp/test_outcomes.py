"""What the server's replies become: sent, refused for good, or worth another attempt."""

from __future__ import annotations

import pytest
from testkit.accounts import Account
from testkit.scripted_server import Dialogue, ScriptedServer, expect, hang, say
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep
from testkit.smtp_caller import SmtpCaller

from worker.errors import (
    AuthenticationFailed,
    EmailError,
    MessageRefused,
    NotSupported,
    ProtocolViolation,
    RecipientRefused,
    ServerRefused,
    ServerUnavailable,
    TlsFailed,
)
from worker.models.base import Result

ANN = Account("ann@example.org", "s3cret")
GONE = {"gone@example.org": "550 5.1.1 No such user here"}
BUSY = {"busy@example.org": "450 4.2.1 Mailbox busy"}

with_and_without_pipelining = pytest.mark.parametrize(
    "extensions", [("PIPELINING",), ()], ids=["pipelining", "one by one"]
)


async def test_a_mail_that_was_taken_is_sent(caller: SmtpCaller) -> None:
    async with ScriptedSmtp() as server:
        answer = await caller.at(server.port).answer()

    assert answer.has_effect
    assert isinstance(answer.result, Result)
    assert answer.result.to_variables() == {
        "subject": "Hello",
        "sent": True,
        "messageId": "<job-1@example.org>",
    }


async def test_a_message_of_any_size_arrives_whole(caller: SmtpCaller) -> None:
    """Its last 16 kB go together with its end, what comes before in pieces of 64 kB."""
    bodies = [
        ".x\n" * lines + "y" * rest + "\n"
        for lines in (*range(3_215, 3_245, 3), 25_000)
        for rest in (1, 2, 3, 4, 5)
    ]
    async with ScriptedSmtp() as server:
        for body in bodies:
            await caller.at(server.port).send(body=body)

    received = [mail.raw.partition(b"\r\n\r\n")[2].decode() for mail in server.accepted]
    assert received == [body.replace("\n", "\r\n") for body in bodies]
    sizes = [len(mail.raw) + mail.raw.count(b"\r\n.") for mail in server.accepted]
    assert sizes[0] < 16_384 < sizes[-6]


@with_and_without_pipelining
async def test_refused_recipients_are_listed_if_others_are_accepted(
    extensions: tuple[str, ...], caller: SmtpCaller
) -> None:
    async with ScriptedSmtp(options=SmtpOptions(extensions=extensions, refused=GONE)) as server:
        variables = await caller.at(server.port).send(to="bob@example.org", bcc="gone@example.org")

    assert variables["sent"] is True
    assert variables["refusedRecipients"] == [
        {"address": "gone@example.org", "code": 550, "message": "5.1.1 No such user here"},
    ]
    assert [mail.recipients for mail in server.accepted] == [["bob@example.org"]]


@with_and_without_pipelining
async def test_all_recipients_refused_permanently_is_not_sent(
    extensions: tuple[str, ...], caller: SmtpCaller
) -> None:
    async with ScriptedSmtp(options=SmtpOptions(extensions=extensions, refused=GONE)) as server:
        variables = await caller.at(server.port).send(to="gone@example.org")

    assert variables == {
        "subject": "Hello",
        "sent": False,
        "messageId": None,
        "refusedRecipients": [
            {"address": "gone@example.org", "code": 550, "message": "5.1.1 No such user here"}
        ],
    }
    assert server.accepted == []


@with_and_without_pipelining
async def test_all_recipients_refused_and_one_only_for_now_is_worth_a_retry(
    extensions: tuple[str, ...], caller: SmtpCaller
) -> None:
    async with ScriptedSmtp(options=SmtpOptions(extensions=extensions, refused={**GONE, **BUSY})) as server:
        with pytest.raises(RecipientRefused) as caught:
            await caller.at(server.port).send(to=["gone@example.org", "busy@example.org"])

    assert caught.value.is_retryable
    assert [refused["code"] for refused in caught.value.details["refusedRecipients"]] == [550, 450]
    assert server.accepted == []


@with_and_without_pipelining
@pytest.mark.parametrize("step", [SmtpStep.MAIL, SmtpStep.DATA, SmtpStep.DOT])
async def test_a_message_refused_permanently_is_not_sent(
    step: SmtpStep, extensions: tuple[str, ...], caller: SmtpCaller
) -> None:
    options = SmtpOptions(extensions=extensions)
    async with ScriptedSmtp({step: say("554-5.7.1 Looks like", "554 5.7.1 spam")}, options) as server:
        variables = await caller.at(server.port).send()

    assert variables["sent"] is False
    assert variables["messageId"] is None
    assert variables["error"] == {"code": 554, "message": "5.7.1 Looks like spam"}
    assert "refusedRecipients" not in variables
    assert server.accepted == []


@with_and_without_pipelining
@pytest.mark.parametrize("step", [SmtpStep.MAIL, SmtpStep.DATA, SmtpStep.DOT])
async def test_a_message_refused_for_now_is_worth_a_retry(
    step: SmtpStep, extensions: tuple[str, ...], caller: SmtpCaller
) -> None:
    options = SmtpOptions(extensions=extensions)
    async with ScriptedSmtp({step: say("452 4.3.1 Disk full")}, options) as server:
        with pytest.raises(MessageRefused, match="Disk full") as caught:
            await caller.at(server.port).send()

    assert caught.value.is_retryable
    assert caught.value.details["replyCode"] == 452
    assert server.accepted == []


@pytest.mark.parametrize(
    ("step", "reply", "expected"),
    [
        (SmtpStep.GREETING, "554 5.7.1 Your address is on a list", ServerRefused),
        (SmtpStep.GREETING, "450 4.3.2 Come back later", ServerUnavailable),
        (SmtpStep.GREETING, "+OK POP3 ready", ProtocolViolation),
        (SmtpStep.EHLO, "451 4.3.0 Not now", ServerUnavailable),
        (SmtpStep.AUTH, "535 5.7.8 Wrong password", AuthenticationFailed),
        (SmtpStep.AUTH, "534 5.7.9 Mechanism too weak", AuthenticationFailed),
        (SmtpStep.AUTH, "454 4.7.0 Directory not reached", ServerUnavailable),
        (SmtpStep.AUTH, "250 Ok", ProtocolViolation),
        (SmtpStep.MAIL, "530 5.7.0 Authentication required", AuthenticationFailed),
    ],
)
async def test_a_session_that_is_refused(
    step: SmtpStep, reply: str, expected: type[EmailError], caller: SmtpCaller
) -> None:
    async with ScriptedSmtp({step: say(reply)}, SmtpOptions(account=ANN)) as server:
        with pytest.raises(expected) as caught:
            await caller.at(server.port, account=ANN).send()

    assert type(caught.value) is expected
    assert str(server.port) in caught.value.message
    assert ANN.password not in str(caught.value.details) + caught.value.message


async def test_a_wrong_password_is_tried_once_only(caller: SmtpCaller) -> None:
    async with ScriptedSmtp(options=SmtpOptions(account=ANN)) as server:
        with pytest.raises(AuthenticationFailed):
            await caller.at(server.port, account=Account(ANN.username, "guessed")).send()

    assert len([command for command in server.commands if command.startswith("AUTH")]) == 1
    assert server.connections == 1


async def test_a_server_without_sign_in_is_not_given_the_password(caller: SmtpCaller) -> None:
    async with ScriptedSmtp() as server:
        with pytest.raises(NotSupported, match="noAuth"):
            await caller.at(server.port, account=ANN).send()

    assert server.commands == ["EHLO [127.0.0.1]"]


async def test_a_mechanism_that_the_server_offers_but_does_not_know_gives_way_to_the_next(
    caller: SmtpCaller,
) -> None:
    script = [
        say("220 ready"),
        expect("EHLO", "250-mail.example.org", "250-AUTH CRAM-MD5 LOGIN", "250 AUTH=LOGIN"),
        expect("AUTH CRAM-MD5", "504 5.5.4 Unknown"),
        expect("AUTH LOGIN", "504 5.5.4 Unknown"),
        hang(),
    ]
    async with ScriptedServer(script) as server:
        with pytest.raises(NotSupported, match="PLAIN, LOGIN or CRAM-MD5"):
            await caller.at(server.port, account=ANN).send()


@pytest.mark.parametrize("reply", ["535 5.7.139 It is disabled.", "535 5.7.139 It is disabled"])
async def test_the_reason_of_a_refused_sign_in_ends_without_a_full_stop(
    reply: str, caller: SmtpCaller
) -> None:
    async with ScriptedSmtp({SmtpStep.AUTH: say(reply)}, SmtpOptions(account=ANN)) as server:
        with pytest.raises(AuthenticationFailed, match="It is disabled; check user name and password"):
            await caller.at(server.port, account=ANN).send()


@pytest.mark.parametrize(
    "reply", ["530 5.7.0 Must issue a STARTTLS command first", "451 5.7.3 STARTTLS is required to send mail"]
)
async def test_a_server_that_wants_starttls_is_said_to(reply: str, caller: SmtpCaller) -> None:
    async with ScriptedSmtp({SmtpStep.MAIL: say(reply)}, SmtpOptions(account=ANN)) as server:
        with pytest.raises(TlsFailed, match=r"STARTTLS.*; choose TLS as cryptographicProtocol"):
            await caller.at(server.port, account=ANN).send()

    assert server.accepted == []


async def test_in_the_clear_the_password_is_proved_and_not_shown_where_the_server_takes_that(
    caller: SmtpCaller,
) -> None:
    """The example of RFC 2195."""
    tim = Account("tim", "tanstaaftanstaaf")
    challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
    script = [
        say("220 ready"),
        expect("EHLO", "250-mail.example.org", "250 AUTH PLAIN LOGIN CRAM-MD5"),
        expect("AUTH CRAM-MD5", f"334 {challenge}"),
        expect("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw$", "235 2.7.0 Ok"),
        expect("MAIL", "550 5.7.1 Enough"),
        hang(),
    ]
    async with ScriptedServer(script) as server:
        assert (await caller.at(server.port, account=tim).send())["error"]["code"] == 550


async def test_a_server_from_before_ehlo_is_greeted_in_the_old_way(caller: SmtpCaller) -> None:
    script = [
        say("220 ready"),
        expect("EHLO", "502 5.5.2 What?"),
        expect("HELO", "250 mail.example.org"),
        expect("MAIL FROM:<ann@example.org>$", "550 5.7.1 Enough"),
        hang(),
    ]
    async with ScriptedServer(script) as server:
        assert (await caller.at(server.port).send())["sent"] is False


async def test_a_mailbox_beyond_ascii_is_refused_where_the_server_lacks_smtputf8(caller: SmtpCaller) -> None:
    async with ScriptedSmtp(options=SmtpOptions(extensions=())) as server:
        with pytest.raises(NotSupported, match="jürgen@") as caught:
            await caller.at(server.port).send(bcc="Jürgen <jürgen@example.org>")

    assert caught.value.details["extension"] == "SMTPUTF8"
    assert not caught.value.is_retryable
    assert server.accepted == []


async def test_a_mailbox_beyond_ascii_is_announced_and_sent_as_it_is(caller: SmtpCaller) -> None:
    async with ScriptedSmtp() as server:
        await caller.at(server.port).send(to="Jürgen <jürgen@bücher.example>")

    assert "MAIL FROM:<ann@example.org> SMTPUTF8 BODY=8BITMIME" in server.commands
    assert "RCPT TO:<jürgen@xn--bcher-kva.example>" in server.commands


@pytest.mark.parametrize("extensions", [("SIZE 1000000",), ("SIZE",)])
async def test_the_size_is_said_in_advance_where_the_server_asks_for_it(
    extensions: tuple[str, ...], caller: SmtpCaller
) -> None:
    async with ScriptedSmtp(options=SmtpOptions(extensions=extensions)) as server:
        await caller.at(server.port).send()

    assert f"MAIL FROM:<ann@example.org> SIZE={len(server.accepted[0].raw)}" in server.commands


async def test_a_server_may_answer_in_any_bytes(caller: SmtpCaller) -> None:
    async def refuse(dialogue: Dialogue) -> None:
        await dialogue.send(b"550-5.1.1 Gr\xfc\xdfe\x00\x1b[31m\r\n550 5.1.1 " + b"x" * 5000 + b"\r\n")

    async with ScriptedSmtp({SmtpStep.RCPT: refuse}) as server:
        variables = await caller.at(server.port).send()

    message = variables["refusedRecipients"][0]["message"]
    assert message.startswith("5.1.1 Gr\ufffde\ufffd[31m xxx")
    assert len(message) == 1000


async def test_lines_that_begin_with_a_dot_arrive_as_they_were(caller: SmtpCaller) -> None:
    body = ".\n..\n.hidden\nend\n.\n"
    async with ScriptedSmtp() as server:
        await caller.at(server.port).send(body=body)
        await caller.at(server.port).send()

    assert server.accepted[0].raw.decode().partition("\r\n\r\n")[2].replace("\r\n", "\n") == body


async def test_a_recipient_named_twice_gets_one_mail(caller: SmtpCaller) -> None:
    async with ScriptedSmtp() as server:
        await caller.at(server.port).send(to="bob@example.org", cc="Bob <bob@EXAMPLE.org>")

    assert server.accepted[0].recipients == ["bob@example.org"]


async def test_bcc_is_on_the_envelope_and_nowhere_else(caller: SmtpCaller) -> None:
    async with ScriptedSmtp() as server:
        await caller.at(server.port).send(bcc="eve@example.net")

    assert server.accepted[0].recipients == ["bob@example.org", "eve@example.net"]
    assert b"eve" not in server.accepted[0].raw
