"""Read and unread: what lists and searches tell, and what is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testkit.imap_probe import mail

from worker.errors import MessageNotFound

if TYPE_CHECKING:
    from testkit.imap_caller import Place


def flags_at(place: Place) -> list[set[str]]:
    return [set(message.flags) - {"\\Recent"} for message in place.probe.messages()]


async def test_lists_and_searches_tell_what_was_read_and_leave_it_out(place: Place) -> None:
    place.probe.deliver(mail(1), flags=r"\Seen")
    place.probe.deliver(mail(2), flags=r"\Flagged")
    place.probe.deliver(mail(3))
    for rows in (await place.caller.list_emails(), await place.caller.search()):
        assert [(row["seen"], row["flagged"]) for row in rows] == [
            (True, False),
            (False, True),
            (False, False),
        ]
    for rows in (
        await place.caller.list_emails(unreadOnly=True, sortOrder="DESC", sortField="SENT_DATE"),
        await place.caller.search(unreadOnly=True),
    ):
        assert sorted(row["messageId"] for row in rows) == ["<2@example.org>", "<3@example.org>"]
    assert len(await place.caller.list_emails(unreadOnly=True, maxToBeRead=1)) == 1


async def test_reading_marks_as_read_only_if_asked(place: Place) -> None:
    place.probe.deliver(mail(1))
    await place.caller.read("<1@example.org>")
    assert flags_at(place) == [set()]
    for _ in range(2):
        await place.caller.read("<1@example.org>", markAsRead=True)
        assert flags_at(place) == [{"\\Seen"}]


async def test_flags_are_set_and_cleared_and_others_stay(place: Place) -> None:
    place.probe.deliver(mail(1), flags=r"\Seen")
    place.probe.deliver(mail(2))
    result = await place.caller.flag("<1@example.org>", flagged=True, answered=True)
    assert result == {
        "messageId": "<1@example.org>",
        "folder": "INBOX",
        "seen": True,
        "flagged": True,
        "answered": True,
        "keywords": [],
    }
    result = await place.caller.flag("<1@example.org>", seen=False, answered=False)
    assert (result["seen"], result["flagged"], result["answered"]) == (False, True, False)
    assert flags_at(place) == [{"\\Flagged"}, set()]


async def test_what_is_as_wanted_is_not_sent_again(place: Place) -> None:
    place.probe.deliver(mail(1), flags=r"\Seen")
    wanted = {"seen": True, "flagged": False, "keywords": {"add": ["$Processed"], "remove": ["other"]}}
    first = await place.caller.flag("<1@example.org>", **wanted)
    assert first["keywords"] == ["$Processed"]
    place.proxy.commands.clear()
    assert await place.caller.flag("<1@example.org>", **wanted) == first
    assert not any(b"STORE" in str(command).upper().encode() for command in place.proxy.commands)


async def test_a_keyword_in_two_letter_cases_is_one_and_no_other_is_lost(place: Place) -> None:
    place.probe.deliver(mail(1))
    result = await place.caller.flag("<1@example.org>", keywords={"add": ["Label", "LABEL", "Other"]})
    assert sorted(keyword.lower() for keyword in result["keywords"]) == ["label", "other"]
    result = await place.caller.flag("<1@example.org>", keywords={"remove": ["label", "LABEL"]})
    assert [keyword.lower() for keyword in result["keywords"]] == ["other"]


async def test_a_mail_that_is_not_there_gets_no_flag(place: Place) -> None:
    place.probe.deliver(mail(1))
    with pytest.raises(MessageNotFound):
        await place.caller.flag("<2@example.org>", seen=True)
    assert flags_at(place) == [set()]
