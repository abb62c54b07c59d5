"""What lists and searches say of attachments, from the structure that the server tells."""

from __future__ import annotations

from collections.abc import Callable
from email import policy
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest
from testkit.imap_probe import mail
from testkit.scripted_imap import ImapOptions, ScriptedImap, answer
from testkit.scripted_server import close

from worker.errors import ServerRefused

if TYPE_CHECKING:
    from testkit.imap_caller import ImapCaller, Place

MakeCaller = Callable[..., "ImapCaller"]
PNG = b"\x89PNG\r\n\x1a\n"


def message(subject: str) -> EmailMessage:
    made = EmailMessage(policy=policy.SMTP)
    made["From"], made["Subject"], made["Message-ID"] = "jane@example.org", subject, f"<{subject}@x>"
    made.set_content("See what is attached.")
    return made


def alternatives() -> EmailMessage:
    made = message("alternatives")
    made.add_alternative("<p>Nothing</p>", subtype="html")
    return made


def a_file() -> EmailMessage:
    made = message("a-file")
    made.add_attachment(PNG, "image", "png", filename='Gr(ü)ße "x" {3}.png')
    return made


def an_image_in_the_text() -> EmailMessage:
    made = alternatives()
    made.replace_header("Subject", "an-image")
    made.replace_header("Message-ID", "<an-image@x>")
    (html,) = [part for part in made.iter_parts() if part.get_content_subtype() == "html"]
    html.add_related(PNG, "image", "png", cid="<logo@x>")
    return made


def a_message() -> EmailMessage:
    made = message("a-message")
    made.add_attachment(a_file())
    return made


async def test_a_list_and_a_search_tell_which_emails_have_attachments(place: Place) -> None:
    place.probe.deliver(mail(1))
    for made in (alternatives(), a_file(), an_image_in_the_text(), a_message()):
        place.probe.deliver(made.as_bytes())
    expected = [False, False, True, True, True]
    assert [row.get("hasAttachments") for row in await place.caller.list_emails()] == expected
    assert [row.get("hasAttachments") for row in await place.caller.search()] == expected


async def test_reading_lists_what_is_attached(place: Place) -> None:
    place.probe.deliver(an_image_in_the_text().as_bytes())
    read = await place.caller.read("<an-image@x>")
    assert read["attachments"] == [
        {"name": "attachment-1.png", "contentType": "image/png", "size": len(PNG), "contentId": "logo@x"}
    ]


async def test_a_server_that_breaks_off_at_structures_is_asked_without(make_caller: MakeCaller) -> None:
    options = ImapOptions(faults={"UID FETCH": close()}, fault_sessions=1)
    async with ScriptedImap(options) as server:
        rows = await make_caller(server.port).list_emails()
    assert [row.get("hasAttachments", "unknown") for row in rows] == ["unknown"] * 3
    asked, asked_without = [command for command in server.commands if "UID FETCH" in command]
    assert "BODYSTRUCTURE" in asked
    assert "BODYSTRUCTURE" not in asked_without


async def test_a_server_that_refuses_structures_is_asked_without(make_caller: MakeCaller) -> None:
    options = ImapOptions(faults={"UID FETCH": answer("BAD [CLIENTBUG] what?")})
    async with ScriptedImap(options) as server:
        with pytest.raises(ServerRefused):
            await make_caller(server.port).list_emails()
    asked, asked_without = [command for command in server.commands if "UID FETCH" in command]
    assert "BODYSTRUCTURE" in asked
    assert "BODYSTRUCTURE" not in asked_without
