"""What lists and searches say of attachments, from the structure that the server tells."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage
from typing import TYPE_CHECKING

from testkit.imap_probe import mail

if TYPE_CHECKING:
    from testkit.imap_caller import Place

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
