from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import testkit
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.counting_proxy import CountingProxy
from testkit.dovecot import Dovecot
from testkit.pop3_caller import Pop3Caller
from testkit.wire import Pop3Wire

MakeCaller = Callable[..., Pop3Caller]

MANY = 10_000


@pytest.fixture(scope="module")
def large_account(certificates: Certificates) -> Iterator[tuple[Dovecot, Account]]:
    """A Dovecot with a maildrop of ten thousand messages."""
    with Dovecot(certificates.server) as server:
        account = server.add_user("large", "s3cret")
        server.populate(account.username, MANY)
        yield server, account


async def test_ten_thousand_mails_are_listed_in_one_pass_and_then_without_any(
    large_account: tuple[Dovecot, Account], make_caller: MakeCaller
) -> None:
    dovecot, account = large_account
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        caller = make_caller(proxy.port, account)
        mails = await caller.list_emails(sortOrder="DESC", maxToBeRead=1)
        assert mails[0]["subject"] == f"Message {MANY}"
        assert proxy.verbs.count("TOP") == MANY
        assert len(proxy.verbs) <= MANY + 8
        proxy.commands.clear()
        assert await caller.list_emails(sortOrder="DESC", maxToBeRead=1) == mails
        assert proxy.verbs == ["CAPA", "USER", "PASS", "UIDL", "LIST", "QUIT"]
        proxy.commands.clear()
        # What a list has learnt, a search and a read know too.
        assert len(await caller.search_emails({"field": "SUBJECT", "value": "message 9999"})) == 1
        assert proxy.verbs == ["CAPA", "USER", "PASS", "UIDL", "LIST", "QUIT"]
        proxy.commands.clear()
        _, deferred = await caller.read(f"{MANY // 2}@numbered.example.org")
        # One line tells that the email still has its number; ten thousand would tell no more.
        sent = [command.line for command in proxy.commands[-3:]]
        assert [line.partition(" ")[0] for line in sent] == ["PASS", "UIDL", "RETR"]
        assert sent[1:] == [f"UIDL {MANY // 2}", f"RETR {MANY // 2}"]
        await deferred.abandon()


async def test_known_emails_are_read_one_after_the_other_without_a_listing(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.populate(dovecot_account.username, 5)
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        caller = make_caller(proxy.port, dovecot_account)
        await caller.list_emails()
        proxy.commands.clear()
        for number in (2, 3, 5):
            _, deferred = await caller.read(f"{number}@numbered.example.org")
            await deferred.commit()
        # Each deletion moves those behind it up: they are looked for where they are now.
        assert [command.line for command in proxy.commands if command.verb in {"LIST", "RETR"}] == [
            "RETR 2",
            "RETR 2",
            "RETR 3",
        ]
        assert [row["subject"] for row in await caller.list_emails()] == ["Message 1", "Message 4"]


async def test_a_known_email_with_another_number_is_found_by_a_listing(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.populate(dovecot_account.username, 3)
    caller = make_caller(dovecot.pop3_port, dovecot_account)
    await caller.list_emails()
    _, elsewhere = await make_caller(dovecot.pop3_port, dovecot_account).read("1@numbered.example.org")
    await elsewhere.commit()
    read, deferred = await caller.read("2@numbered.example.org")
    assert read["subject"] == "Message 2"
    await deferred.commit()
    assert [row["subject"] for row in await caller.list_emails()] == ["Message 3"]


async def test_a_list_is_right_also_where_the_memory_holds_only_a_part(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.populate(dovecot_account.username, 500)
    caller = make_caller(dovecot.pop3_port, dovecot_account, max_remembered_bytes=50_000)
    for order, first in (("ASC", "Message 1"), ("DESC", "Message 500")):
        mails = await caller.list_emails(sortOrder=order, maxToBeRead=3)
        assert len(mails) == 3
        assert mails[0]["subject"] == first


async def test_a_read_of_a_new_mail_looks_at_the_newest_first(
    large_account: tuple[Dovecot, Account], make_caller: MakeCaller
) -> None:
    dovecot, account = large_account
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        caller = make_caller(proxy.port, account)
        _, deferred = await caller.read(f"{MANY - 3}@numbered.example.org")
        assert proxy.verbs.count("TOP") <= 64
        await deferred.abandon()


async def test_a_search_in_bodies_fetches_only_what_the_rest_leaves_open(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.populate(dovecot_account.username, 30)
    criteria = {
        "operator": "AND",
        "criteria": [
            {"field": "FROM", "value": "sender7@"},
            {"field": "BODY", "value": "body of message 7."},
        ],
    }
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        caller = make_caller(proxy.port, dovecot_account)
        found = await caller.search_emails(criteria)
        assert found == [{"messageId": "<7@numbered.example.org>", "subject": "Message 7"}]
        assert [command.line for command in proxy.commands if command.verb == "RETR"] == ["RETR 7"]


@pytest.mark.parametrize("operation", ["read", "search"])
def test_a_mail_of_fifty_megabytes_is_in_memory_no_more_than_twice(operation: str) -> None:
    # In a process of its own, since the highest use of memory is that of a whole process.
    done = subprocess.run(
        [sys.executable, "-m", "testkit.pop3_memory", operation],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(testkit.__file__).parents[1],
    )
    assert int(done.stdout) < 100 * 1024 * 1024


async def test_nothing_of_a_session_is_left_behind(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    caller = make_caller(dovecot.pop3_port, dovecot_account)
    await caller.list_emails()
    before = asyncio.all_tasks()
    await asyncio.gather(*(caller.list_emails() for _ in range(20)))
    assert asyncio.all_tasks() == before
