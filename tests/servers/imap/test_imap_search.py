"""Search criteria as each server understands them, and the order of what is found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from testkit.accounts import Account
from testkit.dovecot import Dovecot
from testkit.imap_caller import ImapCaller, Place, Spot
from testkit.imap_probe import mail

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

MakeCaller = Callable[..., ImapCaller]
OpenPlace = Callable[[Spot, MakeCaller], "AbstractAsyncContextManager[Place]"]


def with_a_file() -> bytes:
    made = EmailMessage(policy=policy.SMTP)
    made["From"], made["Subject"], made["Message-ID"] = "jane@example.org", "bill", "<3@example.org>"
    made["Date"] = "Mon, 19 Aug 2024 06:54:28 +0000"
    made.set_content("See the file.")
    made.add_attachment(b"%PDF", "application", "pdf", filename="a.pdf")
    return made.as_bytes()


@pytest.fixture
def full_place(place: Place) -> Place:
    fill(place)
    return place


def fill(place: Place) -> None:
    first = mail(1, subject="order", sender="Jane <jane@example.org>", body="x" * 3000 + "\r\n")
    first = first.replace(b"To: bob@example.org", b"To: Bob <bob@example.com>\r\nCc: carl@example.com")
    second = b"In-Reply-To: <0@example.com>\r\n" + mail(2, date="Fri, 20 Nov 2026 10:00:00 +0000")
    sent = ((first, 20, r"\Seen"), (second, 21, r"\Flagged"), (with_a_file(), 22, r"\Answered"))
    for raw, day, flags in sent:
        place.probe.deliver(raw, received=datetime(2026, 11, day, 12, tzinfo=UTC), flags=flags)


async def found(place: Place, criteria: Any = None, **parameters: Any) -> list[int]:
    rows = await place.caller.search(criteria, **parameters)
    return [int(row["messageId"].strip("<>").partition("@")[0]) for row in rows]


EVERY_FIELD: tuple[tuple[dict[str, Any], list[int]], ...] = (
    ({"field": "TO", "value": "bob@example.com"}, [1]),
    ({"field": "CC", "value": "carl@example.com"}, [1]),
    ({"field": "BCC", "value": "carl@example.com"}, []),
    ({"field": "HEADER", "name": "In-Reply-To", "value": "0@example.com"}, [2]),
    ({"field": "HEADER", "name": "In-Reply-To"}, [2]),
    ({"field": "SINCE", "value": "2026-11-21"}, [2, 3]),
    ({"field": "BEFORE", "value": "2026-11-21"}, [1]),
    ({"field": "ON", "value": "2026-11-22"}, [3]),
    ({"field": "SENTSINCE", "value": "2026-01-01"}, [2]),
    ({"field": "SENTBEFORE", "value": "2026-01-01"}, [1, 3]),
    ({"field": "SENTON", "value": "2026-11-20"}, [2]),
    ({"field": "SEEN"}, [1]),
    ({"field": "FLAGGED", "value": True}, [2]),
    ({"field": "ANSWERED", "value": "false"}, [1, 2]),
    ({"field": "ATTACHMENT"}, [3]),
    ({"field": "ATTACHMENT", "value": False}, [1, 2]),
    ({"field": "LARGER", "value": 2000}, [1]),
    ({"field": "SMALLER", "value": 2000}, [2, 3]),
    ({"field": "SMALLER", "value": 10**30}, [1, 2, 3]),
    ({"field": "LARGER", "value": 4294967295}, []),
)


async def test_every_field_finds_what_it_says(full_place: Place) -> None:
    for criteria, expected in EVERY_FIELD:
        if criteria["field"] not in full_place.spot.lacks:
            assert await found(full_place, criteria) == expected, criteria


async def test_the_worker_finds_the_same_if_the_server_refuses_to_search(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller, open_place: OpenPlace
) -> None:
    refused = {"field": "SUBJECT", "value": "日本語"}
    spot = Spot(dovecot.imap_port, dovecot_account, removed=("UTF8", "CHARSET=UTF-8"))
    async with open_place(spot, make_caller) as place:
        fill(place)
        for criteria, expected in EVERY_FIELD:
            either = {"operator": "OR", "criteria": [refused, criteria]}
            assert await found(place, either) == expected, criteria
            neither = {"operator": "NOT", "criteria": [either]}
            assert await found(place, neither) == [n for n in (1, 2, 3) if n not in expected], criteria
        place.proxy.violations.clear()  # each search was asked for with UTF-8 first


async def test_texts_that_are_too_long_for_a_server_together_are_looked_for_by_the_worker(
    dovecot_place: Place,
) -> None:
    fill(dovecot_place)
    for letter in ("ü", "u"):
        long = [{"field": "SUBJECT", "value": letter * 9_999 + str(number)} for number in range(8)]
        either = {"operator": "OR", "criteria": [*long, {"field": "SUBJECT", "value": "bill"}]}
        assert await found(dovecot_place, either) == [3]
        neither = {"operator": "AND", "criteria": [{"operator": "NOT", "criteria": [each]} for each in long]}
        assert await found(dovecot_place, neither) == [1, 2, 3]


async def test_operators_nest_freely(full_place: Place) -> None:
    seen, bill = {"field": "SEEN"}, {"field": "SUBJECT", "value": "bill"}
    attached, unread = {"field": "ATTACHMENT"}, {"field": "SEEN", "value": False}
    also_answered = {"operator": "AND", "criteria": [bill, {"field": "ANSWERED"}]}
    for criteria, expected in (
        ({"operator": "NOT", "criteria": [seen]}, [2, 3]),
        ({"operator": "not", "criteria": {"operator": "OR", "criteria": [seen, bill]}}, [2]),
        ({"operator": "AND", "criteria": [{"operator": "NOT", "criteria": [seen]}, attached]}, [3]),
        ({"operator": "OR", "criteria": [seen, attached]}, [1, 3]),
        ({"operator": "OR", "criteria": [unread, {"field": "FLAGGED", "value": False}]}, [1, 2, 3]),
        # As 2.3 of Dovecot read them with more parentheses than needed: 1 and 2, and none.
        (
            {"operator": "OR", "criteria": [{"operator": "NOT", "criteria": [bill]}, also_answered]},
            [1, 2, 3],
        ),
        ({"operator": "OR", "criteria": [{"operator": "AND", "criteria": [seen, bill]}, bill]}, [3]),
        ({"operator": "AND", "criteria": [seen, attached]}, []),
        ({"operator": "NOT", "criteria": [{"operator": "AND", "criteria": [bill, attached]}]}, [1, 2]),
    ):
        assert await found(full_place, criteria) == expected, criteria


@pytest.mark.parametrize("spot", ["dovecot", "cyrus"], indirect=True)
async def test_groups_that_share_conditions_find_together_what_each_of_them_finds(full_place: Place) -> None:
    conditions: list[Any] = [
        {"field": "SEEN"},
        {"field": "ANSWERED"},
        {"field": "SUBJECT", "value": "bill"},
    ]
    literals: list[Any] = [*conditions, *({"operator": "NOT", "criteria": each} for each in conditions)]
    groups: list[Any] = [{"operator": "AND", "criteria": list(pair)} for pair in combinations(literals, 2)]
    groups += [{"operator": "NOT", "criteria": each} for each in groups]
    alone = [(each, set(await found(full_place, each))) for each in (*literals, *groups)]
    for (one, found_by_one), (other, found_by_other) in combinations(alone, 2):
        either = {"operator": "OR", "criteria": [one, other]}
        assert set(await found(full_place, either)) == found_by_one | found_by_other, either


async def test_the_form_and_the_criteria_must_hold_together(full_place: Place) -> None:
    assert await found(full_place, subject="ORDER", **{"from": "jane@example.org"}) == [1]
    assert await found(full_place, since="2026-11-21", unreadOnly=True) == [2, 3]
    assert await found(full_place, {"field": "ATTACHMENT"}, since="2026-11-21T10:00:00Z") == [3]


async def test_what_is_found_is_sorted_before_it_is_cut(full_place: Place) -> None:
    assert await found(full_place, sortOrder="DESC") == [3, 2, 1]
    assert await found(full_place, maxToBeRead=2) == [1, 2]
    assert await found(full_place, sortField="RECEIVED_DATE", sortOrder="DESC", maxToBeRead=1) == [3]
    assert (await found(full_place, sortField="SENT_DATE", sortOrder="DESC"))[0] == 2
    assert (await found(full_place, sortField="SIZE", sortOrder="DESC", maxToBeRead=2))[0] == 1
