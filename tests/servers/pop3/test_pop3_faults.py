from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from testkit.pop3_caller import Pop3Caller
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import (
    Dialogue,
    Step,
    close,
    drip,
    endless_line,
    garbage,
    hang,
    reset,
    say,
    sequence,
)

from worker.errors import (
    ConnectionFailed,
    MailServerError,
    MessageNotFound,
    ProtocolViolation,
    ResultTooLarge,
    ServerTimeout,
)

MakeCaller = Callable[..., Pop3Caller]

STEPS = ["GREETING", "CAPA", "USER", "PASS", "UIDL", "LIST", "TOP", "RETR", "DELE"]
FAULTS = {
    "hang": (hang(), ServerTimeout),
    "close": (close(), ConnectionFailed),
    "reset": (reset(), ConnectionFailed),
    "drip": (drip("+OK " + "x" * 100_000, pause_seconds=0.02), ServerTimeout),
    "garbage": (garbage(), ProtocolViolation),
    "endless line": (endless_line(), MailServerError),
    "half an answer": (sequence(say("+OK", "1 7"), close()), ConnectionFailed),
}


def mail(name: str, body: str = "Hello") -> bytes:
    return f"From: ann@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@x>\r\n\r\n{body}\r\n".encode()


@pytest.mark.parametrize("verb", STEPS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_server_that_fails_at_any_step_is_an_error_in_time_and_loses_nothing(
    verb: str, fault: str, make_caller: MakeCaller
) -> None:
    step, error = FAULTS[fault]
    if fault == "half an answer" and verb in {"GREETING", "USER", "PASS", "DELE"}:
        error = MailServerError  # one line is all of it there
    async with ScriptedPop3({"1": mail("one")}, Pop3Options(faults={verb: step}, fault_sessions=1)) as server:
        caller = make_caller(server.port, has_short_timeouts=True)
        async with asyncio.timeout(60):
            with pytest.raises(error) as failure:
                await read_and_commit(caller)
        assert failure.value.is_retryable
        assert len(server.messages) == 1
        # The second attempt finds all as it was.
        await read_and_commit(caller)
        assert server.messages == []


async def read_and_commit(caller: Pop3Caller) -> None:
    _, deferred = await caller.read("one@x")
    await deferred.commit()


@pytest.mark.parametrize("verb", ["UIDL", "LIST"])
async def test_a_listing_that_is_none_is_an_error(verb: str, make_caller: MakeCaller) -> None:
    options = Pop3Options(faults={verb: say("+OK", "one two", ".")})
    async with ScriptedPop3({"1": mail("one")}, options) as server:
        with pytest.raises(ProtocolViolation, match="not POP3"):
            await make_caller(server.port).list_emails()


@pytest.mark.parametrize("verb", ["CAPA", "UIDL", "LIST"])
async def test_an_endless_listing_is_an_error(verb: str, make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": mail("one")}, Pop3Options(faults={verb: endless_lines()})) as server:
        with pytest.raises(ProtocolViolation, match="too long"):
            await make_caller(server.port, max_listing_bytes=100_000).list_emails()


def endless_lines() -> Step:
    async def step(dialogue: Dialogue) -> None:
        await dialogue.say("+OK")
        while True:
            await dialogue.send(b"7 7\r\n" * 20_000)

    return step


async def test_an_endless_message_is_an_error(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": mail("one")}, Pop3Options(faults={"RETR": endless_lines()})) as server:
        with pytest.raises(ProtocolViolation, match="too long"):
            await make_caller(server.port, max_message_bytes=100_000).read("one@x")
        assert len(server.messages) == 1


async def test_a_message_over_the_limit_is_not_even_asked_for(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": mail("one", "x" * 2_000)}) as server:
        caller = make_caller(server.port, max_message_bytes=1_000)
        with pytest.raises(ResultTooLarge) as failure:
            await caller.read("one@x")
        assert failure.value.details["limit"] == 1_000
        assert "RETR" not in server.verbs


async def test_lines_longer_than_poplib_takes_are_read(make_caller: MakeCaller) -> None:
    body = "x" * 300_000 + "\r\n.dot\r\n.\r\nend"
    subject = "s" * 10_000
    async with ScriptedPop3(
        {"1": mail("one", body).replace(b"Subject: one", f"Subject: {subject}".encode())}
    ) as server:
        caller = make_caller(server.port)
        assert (await caller.list_emails())[0]["subject"] == subject
        read, deferred = await caller.read("one@x")
        assert read["plainTextBody"] == body.replace("\r\n", "\n") + "\n"
        await deferred.abandon()


async def test_a_header_section_without_end_is_listed_by_its_beginning(make_caller: MakeCaller) -> None:
    long = b"Subject: long\r\n" + b"X-Filler: y\r\n" * 50_000 + b"\r\n"
    async with ScriptedPop3({"1": long, "2": mail("one")}) as server:
        mails = await make_caller(server.port, max_header_bytes=10_000).list_emails()
        assert sorted(mail["subject"] for mail in mails) == ["long", "one"]


async def test_a_mail_that_another_session_took_meanwhile_is_left_out(make_caller: MakeCaller) -> None:
    answers = iter([say("-ERR gone"), say("+OK", "Subject: two", "", ".")])

    async def top(dialogue: Dialogue) -> None:
        await next(answers)(dialogue)

    messages = {"1": mail("one"), "2": mail("two")}
    async with ScriptedPop3(messages, Pop3Options(faults={"TOP": top})) as server:
        mails = await make_caller(server.port).list_emails()
        assert [entry["subject"] for entry in mails] == ["two"]


async def test_a_mail_that_is_gone_between_list_and_retr_is_not_found(make_caller: MakeCaller) -> None:
    options = Pop3Options(faults={"RETR": say("-ERR no such message")})
    async with ScriptedPop3({"1": mail("one")}, options) as server:
        with pytest.raises(MessageNotFound):
            await make_caller(server.port).read("one@x")


async def test_a_server_whose_top_and_retr_differ_is_an_error_and_not_a_loop(make_caller: MakeCaller) -> None:
    options = Pop3Options(faults={"RETR": say("+OK", "Message-ID: <other@x>", "", ".")})
    async with ScriptedPop3({"1": mail("one")}, options) as server:
        with pytest.raises(ProtocolViolation, match="another header"):
            await make_caller(server.port).read("one@x")
        assert len(server.messages) == 1
