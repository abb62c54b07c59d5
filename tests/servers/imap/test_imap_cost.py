"""What an operation costs on a warm session, in a folder of 10,000 messages: commands and round trips."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import pytest
from testkit.accounts import Account
from testkit.dovecot import Dovecot
from testkit.imap_caller import ImapCaller, Place, Spot
from testkit.scripted_imap import ImapOptions, ScriptedImap
from testkit.scripted_server import say

from worker.mail.command_trace import begin_command_trace

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

MakeCaller = Callable[..., ImapCaller]
OpenPlace = Callable[[Spot, MakeCaller], "AbstractAsyncContextManager[Place]"]

COUNT = 10_000
LAST_TEN = {"field": "SUBJECT", "value": "Message 49"}
FIELDS = ("RECEIVED_DATE", "SENT_DATE", "SIZE")


@pytest.fixture(scope="module")
def large_account(dovecot: Dovecot) -> Account:
    """An account with 10,000 messages; what a test takes away, others do not look at."""
    account = dovecot.add_user("large", "s3cret")
    dovecot.populate(account.username, COUNT)
    return account


@pytest.fixture
async def warm_place(
    dovecot: Dovecot, large_account: Account, make_caller: MakeCaller, open_place: OpenPlace
) -> AsyncIterator[Place]:
    """That account, with a session that has the folder selected."""
    async with open_place(Spot(dovecot.imap_port, large_account), make_caller) as place:
        await place.caller.search({"field": "SUBJECT", "value": "no such subject"})
        place.proxy.commands.clear()
        yield place


T = TypeVar("T")


async def counted(operation: Awaitable[T]) -> tuple[T, int]:
    """What an operation gives, and how many round trips it has taken."""
    trace = begin_command_trace()
    result = await operation
    return result, trace.round_trips


@pytest.mark.parametrize("field", FIELDS)
async def test_a_list_takes_three_round_trips_and_some_bytes_for_each_message(
    warm_place: Place, field: str
) -> None:
    proxy = warm_place.proxy
    before = proxy.bytes_from_server
    mails, trips = await counted(
        warm_place.caller.list_emails(maxToBeRead=10, sortField=field, sortOrder="DESC")
    )
    if field != "SIZE":
        assert [mail["subject"] for mail in mails] == [f"Message {COUNT - place}" for place in range(10)]
    assert (proxy.verbs, trips) == (["NOOP", "UID SORT", "UID FETCH"], 3)
    assert proxy.bytes_from_server - before < 7 * COUNT


async def test_a_small_folder_takes_two_round_trips(
    dovecot: Dovecot, make_caller: MakeCaller, open_place: OpenPlace
) -> None:
    account = dovecot.add_user("small", "s3cret")
    dovecot.populate(account.username, 5)
    async with open_place(Spot(dovecot.imap_port, account), make_caller) as place:
        listed = await place.caller.list_emails()
        place.proxy.commands.clear()
        again, trips = await counted(place.caller.list_emails())
        assert again == listed
        assert (place.proxy.verbs, trips) == (["NOOP", "UID FETCH"], 2)


async def test_another_folder_costs_a_select_in_place_of_the_look_for_new_mail(warm_place: Place) -> None:
    await warm_place.caller.move("<9000@numbered.example.org>", "Other")
    warm_place.proxy.commands.clear()
    assert len(await warm_place.caller.list_emails(folder="Other")) == 1
    assert warm_place.proxy.verbs == ["SELECT", "UID FETCH"]
    warm_place.proxy.commands.clear()
    await warm_place.caller.list_emails()
    assert warm_place.proxy.verbs == ["SELECT", "UID SORT", "UID FETCH"]


async def test_reading_and_searching_take_three_round_trips(warm_place: Place) -> None:
    caller, proxy = warm_place.caller, warm_place.proxy
    mail, trips = await counted(caller.read("<5000@numbered.example.org>"))
    assert mail["subject"] == "Message 5000"
    assert (proxy.verbs, trips) == (["NOOP", "UID SEARCH", "UID FETCH"], 3)
    proxy.commands.clear()
    found, trips = await counted(caller.search({"field": "SUBJECT", "value": "Message 500"}))
    assert len(found) == 11
    assert (proxy.verbs, trips) == (["NOOP", "UID SEARCH", "UID FETCH"], 3)


async def test_reading_and_searching_find_what_has_come_meanwhile(
    dovecot: Dovecot, make_caller: MakeCaller, open_place: OpenPlace
) -> None:
    account = dovecot.add_user("news", "s3cret")
    dovecot.populate(account.username, 500)
    subject = {"field": "SUBJECT", "value": "news"}
    async with open_place(Spot(dovecot.imap_port, account), make_caller) as place:
        assert await place.caller.search(subject) == []
        place.probe.deliver(b"Message-ID: <new@example.org>\r\nSubject: news\r\n\r\nold")
        found, trips = await counted(place.caller.search(subject))
        assert ([mail["messageId"] for mail in found], trips) == (["<new@example.org>"], 3)
        # Another of the same id: the newest is read, though the older one would be found as well.
        place.probe.deliver(b"Message-ID: <new@example.org>\r\nSubject: news\r\n\r\nnew")
        mail, trips = await counted(place.caller.read("new@example.org"))
        assert (mail["plainTextBody"].strip(), trips) == ("new", 3)


async def test_a_search_with_thousands_of_scattered_hits_asks_for_them_in_short_lines(
    warm_place: Place,
) -> None:
    ends = [{"field": "FROM", "value": f"{digit}@example.org"} for digit in (1, 4, 7)]
    found = await warm_place.caller.search({"operator": "OR", "criteria": ends})
    assert 2900 < len(found) <= 3000
    assert warm_place.proxy.verbs == ["NOOP", "UID SEARCH", *["UID FETCH"] * 3]
    # RFC 2683, 3.2.1.5: a line of 8000 octets is what every server takes.
    assert max(len(command.line) for command in warm_place.proxy.commands) < 8000


async def test_deleting_takes_four_round_trips(warm_place: Place) -> None:
    caller, proxy = warm_place.caller, warm_place.proxy
    _, trips = await counted(caller.delete("<6001@numbered.example.org>"))
    assert (proxy.verbs, trips) == (["UID SEARCH", "UID FETCH", "UID STORE", "UID EXPUNGE"], 4)


async def test_moving_takes_three_round_trips_and_those_that_make_folders(warm_place: Place) -> None:
    caller, proxy = warm_place.caller, warm_place.proxy
    await caller.move("<7001@numbered.example.org>", "Archive.2026")
    created = ["CREATE", "SUBSCRIBE"] * 2
    assert proxy.verbs == ["UID SEARCH", "UID FETCH", *created, "UID MOVE"]
    proxy.commands.clear()
    _, trips = await counted(caller.move("<7002@numbered.example.org>", "Archive.2026"))
    assert (proxy.verbs, trips) == (["UID SEARCH", "UID FETCH", "UID MOVE"], 3)
    proxy.commands.clear()
    await caller.move("<7002@numbered.example.org>", "INBOX", fromFolder="Archive.2026")
    assert proxy.verbs == ["SELECT", "UID SEARCH", "UID FETCH", "UID MOVE"]


@pytest.mark.parametrize("field", FIELDS)
async def test_without_sort_only_the_keys_of_new_mail_are_asked_for(
    dovecot: Dovecot, make_caller: MakeCaller, open_place: OpenPlace, field: str
) -> None:
    account = dovecot.add_user(f"unsorted-{field}".lower(), "s3cret")
    dovecot.populate(account.username, 500)
    spot = Spot(dovecot.imap_port, account, removed=("SORT",))
    asked = {"maxToBeRead": 5, "sortField": field, "sortOrder": "DESC"}
    async with open_place(spot, make_caller) as place:
        first = await place.caller.list_emails(**asked)
        place.proxy.commands.clear()
        before = place.proxy.bytes_from_server
        assert await place.caller.list_emails(**asked) == first
        assert len(place.proxy.verbs) == 3
        place.probe.deliver(b"Message-ID: <new@example.org>\r\nSubject: new\r\n\r\n" + b"x" * 99)
        place.proxy.commands.clear()
        await place.caller.list_emails(**asked)
        assert place.proxy.verbs == ["NOOP", "UID FETCH", "UID FETCH"]
        assert place.proxy.commands[1].line.split(" ", 3)[3].startswith("501:* ")
        assert place.proxy.bytes_from_server - before < 10_000
        with place.probe.session() as session:
            session.select()
            session.store("490:500", "+FLAGS", "(\\Deleted)")
            session.expunge()
        subjects = [mail["subject"] for mail in await place.caller.list_emails(**asked)]
        assert len(subjects) == 5
        assert not {f"Message {number}" for number in range(490, 501)} & set(subjects)


@pytest.mark.parametrize("removed", [(), ("SORT",), ("SORT", "UIDPLUS")])
async def test_a_list_asks_again_when_a_mail_has_gone_or_another_folder_was_looked_at(
    dovecot: Dovecot, make_caller: MakeCaller, open_place: OpenPlace, removed: tuple[str, ...]
) -> None:
    account = dovecot.add_user(f"changes-{len(removed)}", "s3cret")
    dovecot.populate(account.username, 300)
    asked = {"maxToBeRead": 2, "sortField": "RECEIVED_DATE", "sortOrder": "DESC"}
    async with open_place(Spot(dovecot.imap_port, account, removed=removed), make_caller) as place:
        await place.caller.list_emails(**asked)
        await place.caller.delete("<300@numbered.example.org>")
        subjects = [mail["subject"] for mail in await place.caller.list_emails(**asked)]
        assert subjects == ["Message 299", "Message 298"]
        await place.caller.move("<299@numbered.example.org>", "Other")
        assert len(await place.caller.list_emails(folder="Other", **asked)) == 1
        subjects = [mail["subject"] for mail in await place.caller.list_emails(**asked)]
        assert subjects == ["Message 298", "Message 297"]


async def test_of_a_folder_whose_numbers_do_not_last_all_keys_are_asked_for_each_time(
    make_caller: MakeCaller,
) -> None:
    select = say("* 101 EXISTS", "{tag} OK done")  # no UIDVALIDITY
    options = ImapOptions(capabilities="IMAP4rev1", message_count=101, faults={"SELECT": select})
    async with ScriptedImap(options) as server:
        caller = make_caller(server.port)
        for _ in range(2):
            assert len(await caller.list_emails(maxToBeRead=1, sortField="SIZE")) == 1
    assert sum(" 1:* (RFC822.SIZE)" in command for command in server.commands) == 2


async def test_a_folder_of_100_000_messages_is_listed_in_bounded_memory(make_caller: MakeCaller) -> None:
    async with ScriptedImap(ImapOptions(capabilities="IMAP4rev1", message_count=100_000)) as server:
        caller = make_caller(server.port)
        await caller.search({"field": "SUBJECT", "value": "nothing"})
        tracemalloc.start()
        mails = await caller.list_emails(maxToBeRead=10, sortField="SIZE", sortOrder="DESC")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert [mail["size"] for mail in mails] == list(range(100_000, 99_990, -1))
    assert peak < 25_000_000
    assert caller.mailboxes.sort_keys.size < 100_000 * 13


async def test_a_large_message_is_in_memory_once(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    attachment = b"QUJD" * 19 + b"\r\n"
    head = (
        b"Subject: large\r\nMessage-ID: <large@example.org>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n"
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    size = 50_000_000
    dovecot.deliver(dovecot_account.username, head + attachment * (size // len(attachment)) + b"--b--\r\n")
    caller = make_caller(dovecot.imap_port, dovecot_account)
    await caller.list_emails()
    tracemalloc.start()
    read = await caller.read("large@example.org")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read["plainTextBody"] == "hello"
    assert peak < size * 1.3
