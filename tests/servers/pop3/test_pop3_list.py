from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from testkit.accounts import Account
from testkit.counting_proxy import CountingProxy, ProxyOptions
from testkit.dovecot import Dovecot
from testkit.pop3_caller import Pop3Caller
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.wire import Pop3Wire

from worker.mail.local_search import decide

MakeCaller = Callable[..., Pop3Caller]

HELLO = (
    b"Received: from a.example by b.example; Tue, 20 Aug 2024 07:00:00 +0200\r\n"
    b"From: Jane Doe <jane@example.org>\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Mon, 19 Aug 2024 06:54:28 +0000\r\n"
    b"Message-ID: <hello@example.org>\r\n"
    b"\r\n"
    b"Hello\r\n"
)
BARE = b"X-Nothing: here\r\n\r\nnothing\r\n"


async def test_a_list_says_what_the_documentation_shows(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.deliver(dovecot_account.username, HELLO)
    mails = await make_caller(dovecot.pop3_port, dovecot_account).list_emails()
    assert mails == [
        {
            "messageId": "<hello@example.org>",
            "fromAddress": "jane@example.org",
            "subject": "Grüße",
            "size": len(HELLO),
            "receivedDateTime": "2024-08-20T05:00:00Z",
            "sentDate": "2024-08-19T06:54:28Z",
        }
    ]


async def test_an_empty_mailbox_gives_an_empty_list(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    caller = make_caller(dovecot.pop3_port, dovecot_account)
    assert await caller.list_emails() == []
    assert await caller.search_emails() == []


async def test_a_mail_without_any_known_header_is_listed_last_under_an_id_of_the_worker(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.deliver(dovecot_account.username, BARE)
    dovecot.deliver(dovecot_account.username, HELLO)
    caller = make_caller(dovecot.pop3_port, dovecot_account)
    for order in ("ASC", "DESC"):
        mails = await caller.list_emails(sortOrder=order)
        assert [mail["subject"] for mail in mails] == ["Grüße", None]
        assert mails[1]["messageId"].startswith("pop3:")
        assert mails[1]["fromAddress"] is mails[1]["sentDate"] is mails[1]["receivedDateTime"] is None


async def test_the_whole_mailbox_is_sorted_before_it_is_cut(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.populate(dovecot_account.username, 150)
    caller = make_caller(dovecot.pop3_port, dovecot_account)
    newest = await caller.list_emails(maxToBeRead=2, sortOrder="DESC")
    assert [mail["subject"] for mail in newest] == ["Message 150", "Message 149"]
    largest = await caller.list_emails(maxToBeRead="1", sortField="SIZE", sortOrder="DESC")
    assert [mail["subject"] for mail in largest] == ["Message 100"]
    assert len(await caller.list_emails()) == 100


async def test_mails_that_share_a_message_id_are_listed_under_ids_that_tell_them_apart(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    for _ in range(2):
        dovecot.deliver(dovecot_account.username, HELLO)
    caller = make_caller(dovecot.pop3_port, dovecot_account)
    ids = {mail["messageId"] for mail in await caller.list_emails()}
    assert len(ids) == 2
    assert all(identity.startswith("pop3:") for identity in ids)
    assert {mail["messageId"] for mail in await caller.search_emails()} == ids


async def test_a_message_id_that_looks_like_one_of_the_worker_is_not_taken_for_one(
    make_caller: MakeCaller,
) -> None:
    liar = b"Message-ID: <pop3:uid-of-another>\r\n\r\n"
    async with ScriptedPop3({"uid-of-another": HELLO, "uid-of-liar": liar}) as server:
        caller = make_caller(server.port)
        ids = [mail["messageId"] for mail in await caller.list_emails()]
        assert ids == ["<hello@example.org>", "pop3:uid-of-liar"]
        read, deferred = await caller.read("pop3:uid-of-another")
        assert read["messageId"] == "pop3:uid-of-another"
        assert read["subject"] == "Grüße"
        await deferred.abandon()


async def test_a_search_compares_texts_outside_the_event_loop(
    make_caller: MakeCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()

    def noted_decide(*arguments: Any, **named: Any) -> bool | None:
        threads.add(threading.current_thread())
        return decide(*arguments, **named)

    monkeypatch.setattr("worker.operations.pop3.decide", noted_decide)
    async with ScriptedPop3({"1": HELLO, "2": BARE}) as server:
        found = await make_caller(server.port).search_emails({"field": "SUBJECT", "value": "grüße"})
        assert [mail["subject"] for mail in found] == ["Grüße"]
    assert threads
    assert threading.main_thread() not in threads


async def test_a_list_by_size_asks_for_the_headers_of_the_chosen_alone(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.populate(dovecot_account.username, 50)
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        await make_caller(proxy.port, dovecot_account).list_emails(sortField="SIZE", maxToBeRead=3)
        # The last UIDL asks for one line: whether the numbers still mean the same mails.
        assert proxy.verbs == ["CAPA", "USER", "PASS", "UIDL", "LIST", "TOP", "TOP", "TOP", "UIDL", "QUIT"]


async def test_headers_are_fetched_once_and_then_only_those_of_new_mails(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.populate(dovecot_account.username, 100)
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        caller = make_caller(proxy.port, dovecot_account)
        first = await caller.list_emails()
        assert proxy.verbs.count("TOP") == 100
        proxy.commands.clear()
        assert await caller.list_emails() == first
        assert proxy.verbs == ["CAPA", "USER", "PASS", "UIDL", "LIST", "QUIT"]
        proxy.commands.clear()
        dovecot.deliver(dovecot_account.username, HELLO)
        assert (await caller.list_emails(sortOrder="DESC"))[0]["subject"] == "Grüße"
        assert proxy.verbs.count("TOP") == 1


async def test_without_pipelining_each_command_waits_for_the_answer_to_the_one_before(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.populate(dovecot_account.username, 20)
    options = ProxyOptions(removed=("PIPELINING",))
    async with CountingProxy(Pop3Wire, dovecot.pop3_port, options) as proxy:
        assert len(await make_caller(proxy.port, dovecot_account).list_emails()) == 20
        assert not any(command.is_pipelined for command in proxy.commands)


async def test_with_pipelining_headers_take_few_round_trips(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.populate(dovecot_account.username, 200)
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        await make_caller(proxy.port, dovecot_account).list_emails()
        waits = [command for command in proxy.commands if not command.is_pipelined]
        assert len(waits) < 20


async def test_a_server_that_refuses_the_uidl_it_announces_is_listed(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": HELLO}, Pop3Options(missing=frozenset({"UIDL"}))) as server:
        caller = make_caller(server.port)
        assert [mail["subject"] for mail in await caller.list_emails()] == ["Grüße"]
        _, deferred = await caller.read("hello@example.org")
        await deferred.commit()
        assert server.messages == []


async def test_a_server_without_uidl_is_listed_and_its_mails_have_ids_that_last(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.deliver(dovecot_account.username, BARE)
    dovecot.deliver(dovecot_account.username, HELLO)
    async with CountingProxy(Pop3Wire, dovecot.pop3_port, ProxyOptions(removed=("UIDL",))) as proxy:
        caller = make_caller(proxy.port, dovecot_account)
        mails = await caller.list_emails()
        assert [mail["subject"] for mail in mails] == ["Grüße", None]
        dovecot.deliver(dovecot_account.username, HELLO.replace(b"hello@", b"other@"))
        read, deferred = await caller.read(mails[1]["messageId"])
        assert read["plainTextBody"] == "nothing\n"
        await deferred.commit()
    left = dovecot.messages(dovecot_account.username)
    assert sorted(mail.raw for mail in left) == [HELLO, HELLO.replace(b"hello@", b"other@")]


async def test_a_server_without_top_is_listed_from_whole_messages(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.populate(dovecot_account.username, 5)
    async with CountingProxy(Pop3Wire, dovecot.pop3_port, ProxyOptions(removed=("TOP",))) as proxy:
        caller = make_caller(proxy.port, dovecot_account)
        assert len(await caller.list_emails()) == 5
        assert proxy.verbs.count("RETR") == 5
        assert len(dovecot.messages(dovecot_account.username)) == 5


async def test_a_server_without_capa_uidl_and_top_still_works(make_caller: MakeCaller) -> None:
    options = Pop3Options(capabilities=None, missing=frozenset({"UIDL", "TOP"}))
    async with ScriptedPop3({"1": BARE, "2": HELLO}, options) as server:
        caller = make_caller(server.port)
        assert [mail["subject"] for mail in await caller.list_emails()] == ["Grüße", None]
        # One TOP to find out, none after that.
        assert server.verbs == ["CAPA", "USER", "PASS", "CAPA", "UIDL", "LIST", "TOP", "RETR", "RETR", "QUIT"]
        read, deferred = await caller.read("hello@example.org")
        assert read["plainTextBody"] == "Hello\n"
        await deferred.commit()
        assert [raw for _, raw in server.messages] == [BARE]


async def test_a_unique_id_given_to_a_new_mail_does_not_bring_back_the_old_one(
    make_caller: MakeCaller,
) -> None:
    async with ScriptedPop3({"1": BARE}) as server:
        caller = make_caller(server.port)
        await caller.list_emails()
        server.messages[:] = [("1", HELLO)]
        assert [mail["messageId"] for mail in await caller.list_emails()] == ["<hello@example.org>"]
