"""Numbers and unique ids that do not mean what they meant before: no other mail is read or deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from testkit.pop3_caller import Pop3Caller
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import Dialogue, say

from worker.errors import ConnectionFailed, MessageIdAmbiguous, MessageNotFound

MakeCaller = Callable[..., Pop3Caller]


def mail(name: str, body: str = "Hello") -> bytes:
    return f"From: ann@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@x>\r\n\r\n{body}\r\n".encode()


@pytest.mark.parametrize("operation", ["read", "delete"])
async def test_a_unique_id_that_now_means_another_mail_deletes_nothing(
    operation: str, make_caller: MakeCaller
) -> None:
    old, new = mail("one", "aaaaa"), mail("two", "bbbbb")
    assert len(old) == len(new)
    async with ScriptedPop3({"1": old}) as server:
        caller = make_caller(server.port)
        await caller.list_emails()
        server.messages[:] = [("1", new)]
        with pytest.raises(MessageNotFound):
            await getattr(caller, operation)("one@x")
        assert server.messages == [("1", new)]


async def test_remembered_numbers_are_dropped_if_they_cannot_describe_the_mailbox(
    make_caller: MakeCaller,
) -> None:
    new = mail("s" * 2_000)
    old = mail("one", "a" * (len(new) - len(mail("one", ""))))
    assert len(old) == len(new)
    async with ScriptedPop3({"1": old}) as server:
        caller = make_caller(server.port, max_remembered_bytes=2_000)
        await caller.list_emails()
        await caller.list_emails()
        assert server.verbs.count("TOP") == 1
        server.messages[:] = [("1", new)]
        with pytest.raises(MessageNotFound):
            await caller.delete("one@x")
        assert server.messages == [("1", new)]


async def test_a_known_mail_that_is_gone_is_not_looked_for_again_and_again(make_caller: MakeCaller) -> None:
    is_gone = False

    async def top(dialogue: Dialogue) -> None:
        await (say("-ERR gone") if is_gone else say("+OK", "Message-ID: <one@x>", "", "."))(dialogue)

    async def listing(dialogue: Dialogue) -> None:
        is_of_one = " " in dialogue.commands[-1]
        await (say("-ERR gone") if is_of_one else say("+OK", "1 1", "."))(dialogue)

    faults = {"TOP": top, "RETR": say("-ERR gone"), "UIDL": listing, "LIST": listing}
    async with ScriptedPop3({"1": mail("one")}, Pop3Options(faults=faults)) as server:
        caller = make_caller(server.port)
        await caller.list_emails()
        is_gone = True
        async with asyncio.timeout(60):
            with pytest.raises(MessageNotFound):
                await caller.delete("one@x")


async def test_copies_that_nothing_tells_apart_are_not_deleted(make_caller: MakeCaller) -> None:
    async with ScriptedPop3([("1", mail("twin")), ("1", mail("twin"))]) as server:
        with pytest.raises(MessageIdAmbiguous, match="nothing tells them apart"):
            await make_caller(server.port).delete("pop3:1")
        assert len(server.messages) == 2


@pytest.mark.parametrize("taken", [["one@x"], ["zero@x"], ["zero@x", "one@x"]])
async def test_numbers_that_another_session_changes_delete_no_other_mail(
    taken: list[str], make_caller: MakeCaller
) -> None:
    messages = {name: mail(name) for name in ("zero", "one", "two")}
    async with ScriptedPop3(messages, Pop3Options(renumbers=True)) as server:
        _, deferred = await make_caller(server.port).read("one@x")
        for message_id in taken:
            _, other = await make_caller(server.port).read(message_id)
            await other.commit()
        await deferred.commit()
        expected = [name for name in messages if name != "one" and f"{name}@x" not in taken]
        assert [uid for uid, _ in server.messages] == expected


async def test_a_mark_that_hit_another_mail_is_taken_back(make_caller: MakeCaller) -> None:
    messages = {name: mail(name) for name in ("zero", "one", "two")}
    answers = iter([say("+OK 2 one"), say("+OK 2 two")])

    async def uidl(dialogue: Dialogue) -> None:
        if dialogue.commands[-1] == "UIDL":
            await say("+OK", "1 zero", "2 one", "3 two", ".")(dialogue)
        elif dialogue.commands[-1] == "UIDL 3":
            await dialogue.say("+OK 3 two")
        else:
            await next(answers)(dialogue)

    async with ScriptedPop3(messages, Pop3Options(faults={"UIDL": uidl})) as server:
        _, deferred = await make_caller(server.port).read("one@x")
        with pytest.raises(ConnectionFailed, match="none was deleted"):
            await deferred.commit()
        assert server.verbs[-4:] == ["UIDL", "DELE", "UIDL", "RSET"]
        assert len(server.messages) == 3


async def test_a_read_by_an_id_of_the_worker_follows_the_mail_to_another_number(
    make_caller: MakeCaller,
) -> None:
    messages = {name: mail(name) for name in ("zero", "one", "two")}

    async def lose_the_first(dialogue: Dialogue) -> None:
        if len(server.messages) == len(messages):
            del server.messages[0]
        raw = server.messages[int(dialogue.commands[-1].split()[1]) - 1][1]
        await dialogue.send(b"+OK\r\n" + raw + b".\r\n")

    options = Pop3Options(renumbers=True, faults={"RETR": lose_the_first})
    async with ScriptedPop3(messages, options) as server:
        read, deferred = await make_caller(server.port).read("pop3:one")
        assert read["subject"] == "one"
        await deferred.commit()
        assert [uid for uid, _ in server.messages] == ["two"]


async def test_headers_that_may_be_of_other_mails_are_not_remembered(make_caller: MakeCaller) -> None:
    messages = {name: mail(name) for name in ("zero", "one", "two")}

    async def lose_the_first(dialogue: Dialogue) -> None:
        if len(server.messages) == len(messages):
            del server.messages[0]
        number = int(dialogue.commands[-1].split()[1])
        if number > len(server.messages):
            await dialogue.say("-ERR no such message")
        else:
            await dialogue.send(b"+OK\r\n" + server.messages[number - 1][1] + b".\r\n")

    options = Pop3Options(renumbers=True, faults={"TOP": lose_the_first})
    async with ScriptedPop3(messages, options) as server:
        caller = make_caller(server.port)
        await caller.list_emails()
        listed = await caller.list_emails()
        assert [row["messageId"] for row in listed] == ["<one@x>", "<two@x>"]
