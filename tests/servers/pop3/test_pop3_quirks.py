"""Servers that do it in their own way, each from a public report of other mail software."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testkit.pop3_caller import Pop3Caller
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import Dialogue, Step, say

from worker.errors import (
    AuthenticationFailed,
    MailboxBusy,
    MailServerError,
    ServerRefused,
    ServerUnavailable,
)

MakeCaller = Callable[..., Pop3Caller]


def mail(name: str, more: str = "") -> bytes:
    return (
        f"{more}From: ann@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@x>\r\n\r\nHello\r\n".encode()
    )


TWO = {"u1": mail("one"), "u2": mail("two")}


def for_one(answer: Callable[[str], Step]) -> Step:
    """Answer UIDL for all messages as usual, and for one in another way."""

    async def step(dialogue: Dialogue) -> None:
        verb, _, number = dialogue.commands[-1].partition(" ")
        assert verb == "UIDL"
        is_marked = f"DELE {number}" in dialogue.commands
        usual = say("+OK", "1 u1", "2 u2", ".") if not number else say("-ERR it is marked")
        await (answer(number) if number and not is_marked else usual)(dialogue)

    return step


ODD_ANSWERS: dict[str, Callable[[str], Step]] = {
    "the id alone (twisted/twisted#9104)": lambda number: say(f"+OK u{number}"),
    "words in front": lambda number: say(f"+OK unique id of {number} is u{number}"),
    "nothing": lambda _: say("+OK"),
    "refused": lambda _: say("-ERR syntax error"),
    "the number alone": lambda number: say(f"+OK {number}"),
    "several lines": lambda number: say("+OK", f"{number} u{number}", "."),
    "several lines behind a text": lambda number: say(
        "+OK unique-id listing follows", f"{number} u{number}", "."
    ),
}


@pytest.mark.parametrize("way", ODD_ANSWERS)
@pytest.mark.parametrize("message_id", ["two@x", "pop3:u2"])
async def test_a_server_that_answers_for_one_unique_id_in_its_own_way_is_read(
    way: str, message_id: str, make_caller: MakeCaller
) -> None:
    async with ScriptedPop3(TWO, Pop3Options(faults={"UIDL": for_one(ODD_ANSWERS[way])})) as server:
        read, deferred = await make_caller(server.port).read(message_id)
        assert read["subject"] == "two"
        await deferred.commit()
        assert [uid for uid, _ in server.messages] == ["u1"]


@pytest.mark.parametrize("line", ["2", "2 "])
async def test_a_message_whose_unique_id_is_left_out_has_an_id_that_lasts(
    line: str, make_caller: MakeCaller
) -> None:
    bare = b"Subject: bare\r\n\r\nHello\r\n"
    faults = {"UIDL": say("+OK", "1 u1", line, ".")}
    async with ScriptedPop3({"u1": mail("one"), "u2": bare}, Pop3Options(faults=faults)) as server:
        rows = await make_caller(server.port).list_emails()
        (message_id,) = [row["messageId"] for row in rows if row["subject"] == "bare"]
        read, deferred = await make_caller(server.port).read(message_id)
        assert read["subject"] == "bare"
        await deferred.abandon()


@pytest.mark.parametrize("verbs", [("LIST",), ("LIST", "UIDL")])
async def test_a_server_that_refuses_to_list_nothing_has_an_empty_mailbox(
    verbs: tuple[str, ...], make_caller: MakeCaller
) -> None:
    faults = dict.fromkeys(verbs, say("-ERR no messages"))
    async with ScriptedPop3({}, Pop3Options(faults=faults)) as server:
        assert await make_caller(server.port).list_emails() == []
    async with ScriptedPop3(TWO, Pop3Options(faults=faults)) as server:
        with pytest.raises(ServerRefused, match="no messages"):
            await make_caller(server.port).list_emails()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        # frappe/frappe#242
        ("-ERR Exceeded the login limit for a 15 minute period. Reduce the frequency.", ServerUnavailable),
        ("-ERR [SYS/TEMP] Temporary system problem.", ServerUnavailable),
        ("-ERR Server Unavailable. 21", ServerUnavailable),
        ("-ERR Temporary failure, please try again later", ServerUnavailable),
        ("-ERR Maximum number of connections from user+IP exceeded", ServerUnavailable),
        ("-ERR [IN-USE] /var/mail/.ann.pop lock busy! Is another session active?", MailboxBusy),
        ("-ERR Can't get lock. Mailbox in use", MailboxBusy),
        # hmailserver/hmailserver#594
        ("+ERR Server error: Failed to fetch messages in Inbox.", ServerUnavailable),
        ("+ERR no such user", AuthenticationFailed),
        ("+OKAY but no", MailServerError),
    ],
)
async def test_a_refused_sign_in_is_what_the_servers_words_say(
    reply: str, error: type[MailServerError], make_caller: MakeCaller
) -> None:
    async with ScriptedPop3(TWO, Pop3Options(faults={"PASS": say(reply)})) as server:
        with pytest.raises(error) as failure:
            await make_caller(server.port, busy_patience_seconds=0).list_emails()
        assert "LIST" not in server.verbs
    if error is not MailServerError:
        assert type(failure.value) is error
        assert reply[5:20] in failure.value.message


@pytest.mark.parametrize("top", [("+OK", "."), ("+OK", "", "."), ("+OK", "   ", "", ".")])
async def test_a_header_that_the_server_takes_for_blank_is_taken_from_the_message(
    top: tuple[str, ...], make_caller: MakeCaller
) -> None:
    async with ScriptedPop3(TWO, Pop3Options(faults={"TOP": say(*top)})) as server:
        rows = await make_caller(server.port).list_emails()
        assert {row["subject"] for row in rows} == {"one", "two"}
