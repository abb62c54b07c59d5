"""Copies and drafts that are put into folders, and the folders with what is in them."""

from __future__ import annotations

from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import pytest
from testkit.imap_probe import mail

from worker.errors import InputError

if TYPE_CHECKING:
    from testkit.imap_caller import Place

COPY = {"from": "ann@example.org", "to": "bob@example.org", "bcc": "carl@example.org", "body": "Hello"}


async def test_a_copy_is_put_there_once(place: Place) -> None:
    wanted = {**COPY, "subject": "Grüße", "message": "sent-1@example.org"}
    result = {"messageId": "<sent-1@example.org>", "folder": "Sent", "appended": True}
    assert await place.caller.append("Sent", **wanted) == result
    assert await place.caller.append("Sent", **wanted) == {**result, "appended": False}
    (stored,) = place.probe.messages("Sent")
    assert set(stored.flags) - {"\\Recent"} == {"\\Seen"}
    message = message_from_bytes(stored.raw)
    assert (message["Message-ID"], message["Bcc"]) == ("<sent-1@example.org>", "carl@example.org")
    assert [row["subject"] for row in await place.caller.list_emails(folder="Sent")] == ["Grüße"]


async def test_a_draft_needs_no_recipient_and_has_its_flags(place: Place) -> None:
    draft = {"from": "ann@example.org", "subject": "", "body": "Dear"}
    result = await place.caller.append("Drafts", **draft, seen=False, flags="Draft, flagged")
    assert result["appended"]
    (stored,) = place.probe.messages("Drafts")
    assert set(stored.flags) - {"\\Recent"} == {"\\Draft", "\\Flagged"}


@pytest.mark.parametrize("flags", [r"\Draft, \SEEN", ["Draft", "Seen"]])
async def test_flags_may_be_written_as_the_protocol_does(place: Place, flags: Any) -> None:
    draft = {"from": "ann@example.org", "subject": "", "body": "Dear"}
    await place.caller.append("Drafts", **draft, seen=False, flags=flags)
    (stored,) = place.probe.messages("Drafts")
    assert set(stored.flags) - {"\\Recent"} == {"\\Draft", "\\Seen"}


@pytest.mark.parametrize("flag", ["Deleted", r"\Deleted", "recent"])
async def test_an_email_is_not_added_as_deleted(place: Place, flag: str) -> None:
    with pytest.raises(InputError, match="flags must be Draft, Flagged, Answered, Seen or your own keywords"):
        await place.caller.append("Drafts", **COPY, subject="x", flags=[flag])


async def test_folders_are_listed_with_what_is_in_them(place: Place) -> None:
    place.probe.deliver(mail(1), flags=r"\Seen")
    place.probe.deliver(mail(2))
    await place.caller.append("Projects.Büro [1]", **COPY, subject="x", seen=False)
    rows = {row["name"]: row for row in await place.caller.folders()}
    assert (rows["INBOX"]["messages"], rows["INBOX"]["unread"]) == (2, 1)
    delimiter = rows["INBOX"]["delimiter"]
    for pattern in ("Projects/Bü*", " projects.%\r\n", "*[1]"):
        (row,) = await place.caller.folders(pattern=pattern)
        assert row["name"].split(delimiter)[-2:] == ["Projects", "Büro [1]"]
        assert (row["messages"], row["unread"]) == (1, 1)
    assert await place.caller.folders(pattern="%y") == []
