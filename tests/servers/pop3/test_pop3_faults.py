from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from testkit.pop3_caller import Pop3Caller
from testkit.scripted_pop3 import CAPABILITIES, Pop3Options, ScriptedPop3
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
    ServerRefused,
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


NO_SUCH = say("-ERR no such message")


@pytest.mark.parametrize("capabilities", [CAPABILITIES, ("TOP", "UIDL", "USER")])
async def test_a_mail_that_another_session_took_meanwhile_is_left_out(
    capabilities: tuple[str, ...], make_caller: MakeCaller
) -> None:
    async def take_the_first(dialogue: Dialogue) -> None:
        server.messages[:] = messages[1:]
        if dialogue.commands[-1].endswith(" 1") or " 1 " in dialogue.commands[-1]:
            await NO_SUCH(dialogue)
        else:
            await say("+OK", "Subject: two", "", ".")(dialogue)

    messages = [("1", mail("one")), ("2", mail("two"))]
    faults = {"TOP": take_the_first, "RETR": take_the_first, "UIDL": one_is_gone(2), "LIST": one_is_gone(2)}
    options = Pop3Options(capabilities=capabilities, faults=faults)
    async with ScriptedPop3(list(messages), options) as server:
        mails = await make_caller(server.port).list_emails()
        assert [entry["subject"] for entry in mails] == ["two"]


def one_is_gone(count: int) -> Step:
    """Answer for all messages, and for a single one that there is none of this number."""

    async def step(dialogue: Dialogue) -> None:
        if " " in dialogue.commands[-1]:
            await NO_SUCH(dialogue)
        else:
            await say("+OK", *(f"{number} {number}" for number in range(1, count + 1)), ".")(dialogue)

    return step


async def test_a_mail_that_is_gone_between_list_and_retr_is_not_found(make_caller: MakeCaller) -> None:
    options = Pop3Options(faults={"RETR": NO_SUCH, "UIDL": one_is_gone(1), "LIST": one_is_gone(1)})
    async with ScriptedPop3({"1": mail("one")}, options) as server:
        with pytest.raises(MessageNotFound):
            await make_caller(server.port).read("one@x")


@pytest.mark.parametrize("reply", ["-ERR message is corrupted", "+ERR message is corrupted"])
@pytest.mark.parametrize("missing", [(), ("UIDL",)])
async def test_a_mail_that_is_there_but_refused_is_not_said_to_be_missing(
    reply: str, missing: tuple[str, ...], make_caller: MakeCaller
) -> None:
    options = Pop3Options(faults={"RETR": say(reply)}, missing=frozenset(missing))
    async with ScriptedPop3({"1": mail("one"), "2": mail("two")}, options) as server:
        caller = make_caller(server.port)
        with pytest.raises(ServerRefused, match="message is corrupted"):
            await caller.read("one@x")
        with pytest.raises(ServerRefused, match="message is corrupted"):
            await caller.search_emails({"field": "BODY", "value": "x"})
        assert len(await caller.list_emails()) == 2


async def test_an_empty_answer_to_retr_is_a_refusal(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": mail("one")}, Pop3Options(faults={"RETR": say("+OK", ".")})) as server:
        with pytest.raises(ServerRefused, match="gave nothing for RETR 1"):
            await make_caller(server.port).read("one@x")


@pytest.mark.parametrize("more", [(), ("PIPELINING",)])
async def test_a_mail_whose_top_is_refused_is_taken_by_retr(
    more: tuple[str, ...], make_caller: MakeCaller
) -> None:
    async def top(dialogue: Dialogue) -> None:
        number = int(dialogue.commands[-1].split()[1])
        await (
            say("-ERR not this one") if number in refused else say("+OK", f"Subject: top {number}", "", ".")
        )(dialogue)

    messages = {str(number): mail(f"retr {number}") for number in range(1, 101)}
    options = Pop3Options(capabilities=("TOP", "UIDL", "USER", *more), faults={"TOP": top})
    for refused in ({3}, {1}, {70}, set(range(1, 101))):
        async with ScriptedPop3(messages, options) as server:
            rows = await make_caller(server.port).list_emails()
            expected = {f"{'retr' if number in refused else 'top'} {number}" for number in range(1, 101)}
            assert {row["subject"] for row in rows} == expected
            assert server.verbs.count("RETR") == len(refused)


async def test_a_server_whose_top_and_retr_differ_is_an_error_and_not_a_loop(make_caller: MakeCaller) -> None:
    options = Pop3Options(faults={"RETR": say("+OK", "Message-ID: <other@x>", "", ".")})
    async with ScriptedPop3({"1": mail("one")}, options) as server:
        with pytest.raises(ProtocolViolation, match="another header"):
            await make_caller(server.port).read("one@x")
        assert len(server.messages) == 1
