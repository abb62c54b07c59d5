"""What the operations do, the same at every server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from testkit.imap_probe import WHEN, mail

from worker.errors import FolderNotFound, MessageIdAmbiguous, MessageNotFound

if TYPE_CHECKING:
    from testkit.accounts import Account
    from testkit.dovecot import Dovecot
    from testkit.imap_caller import Place


def ids(mails: list[dict[str, Any]]) -> list[str]:
    return [mail["messageId"].strip("<>").removesuffix("@example.org") for mail in mails]


def separator(place: Place) -> str:
    with place.probe.session() as session:
        line = session.list('""', '""')[1][0]
    assert isinstance(line, bytes)
    return line.decode().split('"')[1]


async def test_a_list_says_what_the_documentation_shows(place: Place) -> None:
    raw = mail(1, subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    place.probe.deliver(raw)
    (listed,) = await place.caller.list_emails()
    if not place.spot.is_size_wrong:
        assert listed["size"] == len(raw)
    assert [listed] == [
        {
            "messageId": "<1@example.org>",
            "fromAddress": "jane@example.org",
            "subject": "Grüße",
            "size": listed["size"],
            "receivedDateTime": "2026-11-20T08:00:00Z",
            "sentDate": "2024-08-19T06:54:28Z",
            "seen": False,
            "flagged": False,
            "hasAttachments": False,
        }
    ]


async def test_a_list_is_sorted_over_the_whole_folder_before_it_is_cut(place: Place) -> None:
    sizes = {1: 900, 2: 100, 3: 500}
    dates = {1: "Mon, 19 Aug 2024 10:00:00 +0000", 2: "Mon, 19 Aug 2024 12:30:00 +0200", 3: None}
    for number in (1, 2, 3):
        place.probe.deliver(
            mail(number, date=dates[number], body="x" * sizes[number]),
            received=WHEN + timedelta(minutes=5 - number),
        )
    for field, ascending, descending in (
        ("RECEIVED_DATE", ["3", "2", "1"], ["1", "2", "3"]),
        ("SENT_DATE", ["1", "2", "3"], ["2", "1", "3"]),
        ("SIZE", ["2", "3", "1"], ["1", "3", "2"]),
    ):
        for order, expected in (("ASC", ascending), ("DESC", descending)):
            asked = {"sortField": field, "sortOrder": order}
            assert ids(await place.caller.list_emails(**asked)) == expected
            assert ids(await place.caller.list_emails(maxToBeRead=1, **asked)) == expected[:1]


@pytest.mark.slow
async def test_in_a_large_folder_mails_without_a_date_are_last_and_equals_come_by_uid(place: Place) -> None:
    with place.probe.session() as session:
        for number in range(1, 121):
            date = None if number % 40 == 0 else f"Mon, 19 Aug 2024 10:{number % 2:02}:00 +0000"
            session.append(
                "INBOX", "", f'"20-Nov-2026 08:00:{number % 60:02} +0000"', mail(number, date=date)
            )
    for order in ("ASC", "DESC"):
        odd, even = ([n for n in range(1, 121) if n % 2 == parity and n % 40] for parity in (1, 0))
        dated = even + odd if order == "ASC" else odd + even
        expected = [str(number) for number in (*dated, 40, 80, 120)]
        asked = {"sortField": "SENT_DATE", "sortOrder": order}
        assert ids(await place.caller.list_emails(maxToBeRead=200, **asked)) == expected
        assert ids(await place.caller.list_emails(maxToBeRead=119, **asked)) == expected[:119]
        assert ids(await place.caller.list_emails(maxToBeRead=7, **asked)) == expected[:7]
    received = await place.caller.list_emails(maxToBeRead=4, sortOrder="DESC")
    assert ids(received) == ["59", "119", "58", "118"]


async def test_a_mail_without_from_or_id_is_still_listed_and_its_own_id_is_taken_everywhere(
    place: Place,
) -> None:
    place.probe.deliver(b"X-Nothing: here\r\n\r\nnothing\r\n")
    (listed,) = await place.caller.list_emails()
    assert listed["fromAddress"] is None
    assert listed["subject"] is None
    own = listed["messageId"]
    assert own.startswith("imap:")
    assert (await place.caller.search())[0]["messageId"] == own
    assert (await place.caller.read(own))["plainTextBody"] == "nothing\n"
    await place.caller.move(own, "Elsewhere")
    with pytest.raises(MessageNotFound):
        await place.caller.delete(own)
    (moved,) = await place.caller.list_emails(folder="Elsewhere")
    await place.caller.delete(moved["messageId"], folder="Elsewhere")
    assert place.probe.messages("Elsewhere") == []


async def test_mail_that_comes_while_a_session_is_kept_is_seen(place: Place) -> None:
    assert await place.caller.list_emails() == []
    place.probe.deliver(mail(1))
    assert ids(await place.caller.list_emails()) == ["1"]
    place.probe.deliver(mail(2))
    assert (await place.caller.read("2@example.org"))["messageId"] == "<2@example.org>"
    place.probe.deliver(mail(3))
    assert ids(await place.caller.search()) == ["1", "2", "3"]


async def test_what_somebody_else_deleted_is_not_listed(place: Place) -> None:
    for number in range(1, 4):
        place.probe.deliver(mail(number))
    assert ids(await place.caller.list_emails()) == ["1", "2", "3"]
    with place.probe.session() as session:
        session.select()
        session.store("2", "+FLAGS", "(\\Deleted)")
        session.expunge()
    assert ids(await place.caller.list_emails()) == ["1", "3"]
    place.probe.deliver(mail(4))
    assert ids(await place.caller.list_emails()) == ["1", "3", "4"]
    with pytest.raises(MessageNotFound):
        await place.caller.read("<2@example.org>")


async def test_reading_gives_the_whole_mail_and_leaves_it_unread(place: Place) -> None:
    raw = mail(1, subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=", body="Guten Tag, Jürgen\r\n")
    place.probe.deliver(raw)
    read = await place.caller.read(" <1@example.org>\r\n ")
    assert read["messageId"] == "<1@example.org>"
    assert read["subject"] == "Grüße"
    assert read["size"] == len(raw)
    assert read["plainTextBody"] == "Guten Tag, Jürgen\n"
    assert read["htmlBody"] is None
    assert read["receivedDateTime"] == "2026-11-20T08:00:00Z"
    assert read["sentDate"] == "2024-08-19T06:54:28Z"
    assert read["toAddresses"] == ["bob@example.org"]
    assert [header["header"] for header in read["headers"]][:3] == ["From", "To", "Subject"]
    assert "\\Seen" not in place.probe.messages()[0].flags


async def test_a_mail_of_no_octets_is_read_too(
    dovecot_place: Place, dovecot: Dovecot, dovecot_account: Account
) -> None:
    dovecot.deliver(dovecot_account.username, b"")
    (row,) = await dovecot_place.caller.list_emails()
    read = await dovecot_place.caller.read(row["messageId"])
    assert (read["size"], read["headers"], read["plainTextBody"]) == (0, [], "")


async def test_an_id_is_taken_exactly_though_servers_find_parts_of_it_in_any_letter_case(
    place: Place,
) -> None:
    for number in ("1", "11", "a", "A"):
        place.probe.deliver(mail(number, subject=f"Mail {number}"))
    place.probe.deliver(mail(message_id="bare@example.org", subject="Bare"))
    assert (await place.caller.read("1@example.org"))["subject"] == "Mail 1"
    assert (await place.caller.read("A@example.org"))["subject"] == "Mail A"
    assert (await place.caller.read("<bare@example.org>"))["subject"] == "Bare"
    for wrong in ("<1@EXAMPLE.org>", "@example.org", "<>", "1@example.org 11@example.org"):
        with pytest.raises(MessageNotFound):
            await place.caller.delete(wrong)
    await place.caller.delete("<a@example.org>")
    with pytest.raises(MessageNotFound):
        await place.caller.delete("<a@example.org>")
    assert len(place.probe.messages()) == 4


async def test_of_several_mails_with_one_id_the_newest_is_read_and_none_is_deleted(place: Place) -> None:
    for number in range(3):
        place.probe.deliver(mail(1, subject=f"Mail {number}"))
    assert (await place.caller.read("1@example.org"))["subject"] == "Mail 2"
    for operation in (place.caller.delete("1@example.org"), place.caller.move("1@example.org", "Elsewhere")):
        with pytest.raises(MessageIdAmbiguous) as caught:
            await operation
    candidates = caught.value.details["candidates"]
    assert len(set(candidates)) == 3
    assert [mail["messageId"] for mail in await place.caller.list_emails()] == candidates
    assert (await place.caller.read(candidates[1]))["subject"] == "Mail 1"
    await place.caller.delete(candidates[0])
    await place.caller.move(candidates[1], "Elsewhere")
    assert place.probe.ids() == ["1@example.org"]


async def test_an_own_id_from_before_the_folder_was_made_anew_is_not_found(place: Place) -> None:
    place.probe.deliver(mail(message_id=None))
    own = (await place.caller.list_emails())[0]["messageId"]
    validity, uid = own.removeprefix("imap:").split(".")
    for wrong in (f"imap:{int(validity) + 1}.{uid}", f"imap:{validity}.{int(uid) + 1}"):
        for operation in (
            place.caller.read(wrong),
            place.caller.delete(wrong),
            place.caller.move(wrong, "X"),
        ):
            with pytest.raises(MessageNotFound):
                await operation


@pytest.mark.parametrize("spot", ["dovecot", "greenmail", "cyrus"], indirect=True)
async def test_what_others_do_to_another_mail_meanwhile_is_no_answer_about_the_one_asked_for(
    place: Place,
) -> None:
    for number in range(2):
        place.probe.deliver(mail(number, message_id=None))
    own = (await place.caller.list_emails())[0]["messageId"]
    with place.probe.session() as session:
        session.select()
        session.store("1", "+FLAGS", "(\\Deleted)")
        session.expunge()
        session.store("1", "+FLAGS", "(\\Flagged)")
    with pytest.raises(MessageNotFound):
        await place.caller.delete(own)
    assert len(place.probe.messages()) == 1


async def test_deleting_takes_that_mail_alone_and_leaves_what_others_have_flagged(place: Place) -> None:
    for number in range(1, 5):
        place.probe.deliver(mail(number), flags="\\Deleted" if number in {1, 3} else "")
    deleted = await place.caller.delete("<2@example.org>")
    assert deleted == {"deleted": True, "messageId": "<2@example.org>"}
    assert place.probe.ids() == ["1@example.org", "3@example.org", "4@example.org"]
    await place.caller.move("<4@example.org>", "Elsewhere")
    left = place.probe.messages()
    assert ["\\Deleted" in message.flags for message in left] == [True, True]


async def test_a_search_is_done_by_the_server(place: Place) -> None:
    place.probe.deliver(mail(1, subject="urgent", sender="Jane Doe <jane@example.org>", body="first\r\n"))
    place.probe.deliver(mail(2, subject="important", sender="Jane Doe <jane@example.org>"))
    place.probe.deliver(mail(3, subject="urgent", sender="Bob <bob@example.com>", body="a needle here\r\n"))
    tree = {
        "Operator": "and",
        "criteria": [
            {"field": "from", "value": "jane@example.org"},
            {
                "operator": "or",
                "criteria": [
                    {"field": "Subject", "value": "URGENT"},
                    {"field": "SUBJECT", "value": "important"},
                    {"field": "BODY", "value": "needle"},
                ],
            },
        ],
    }
    facts = {"seen": False, "flagged": False, "hasAttachments": False}
    assert await place.caller.search(tree) == [
        {"messageId": "<1@example.org>", "subject": "urgent", **facts},
        {"messageId": "<2@example.org>", "subject": "important", **facts},
    ]
    assert ids(await place.caller.search('{"field": "FROM", "value": "Jane Doe"}')) == ["1", "2"]
    assert ids(await place.caller.search({"field": "BODY", "value": "needle"})) == ["3"]
    assert ids(await place.caller.search({"field": "BODY", "value": "nowhere"})) == []
    everything: Any
    for everything in (None, {}, "", "{}"):
        assert ids(await place.caller.search(everything)) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "value", ['a "quoted" word', "back\\slash", "50 % off *", "Straße", "日本語", "(parentheses) {1}"]
)
async def test_any_text_can_be_searched_for(place: Place, value: str) -> None:
    place.probe.deliver(mail(1, body=f"before {value} after\r\n"))
    place.probe.deliver(mail(2, body="something else\r\n"))
    assert ids(await place.caller.search({"field": "BODY", "value": value})) == ["1"]
    either = {"operator": "OR", "criteria": [{"field": "BODY", "value": value}] * 3}
    assert ids(await place.caller.search(either)) == ["1"]


async def test_a_long_value_and_many_conditions_can_be_searched_for(place: Place) -> None:
    long = "word " * 300
    place.probe.deliver(mail(1, body=f"{long}\r\n"))
    assert ids(await place.caller.search({"field": "BODY", "value": long.strip()})) == ["1"]
    many = [{"field": "SUBJECT", "value": f"s{number}"} for number in range(40)]
    hello = {"field": "SUBJECT", "value": "Hello"}
    assert ids(await place.caller.search({"operator": "OR", "criteria": [*many, hello]})) == ["1"]
    assert ids(await place.caller.search({"operator": "AND", "criteria": [*many, hello]})) == []


async def test_a_move_creates_and_subscribes_what_is_missing_of_the_target(place: Place) -> None:
    place.probe.deliver(mail(1))
    place.probe.deliver(mail(2))
    moved = await place.caller.move("<1@example.org>", "Projects.2023.January")
    assert moved == {"messageId": "<1@example.org>", "from": "INBOX", "to": "Projects.2023.January"}
    await place.caller.move("<2@example.org>", "Projects/2023/January")
    assert place.probe.ids() == []
    name = separator(place).join(("Projects", "2023", "January"))
    assert place.probe.ids(name) == ["1@example.org", "2@example.org"]
    assert any(line.endswith((name, f'{name}"')) for line in place.probe.subscribed())
    assert ids(await place.caller.list_emails(folder="Projects.2023/January")) == ["1", "2"]
    assert await place.caller.list_emails(folder="Projects.2023") == []


async def test_a_move_to_where_the_mail_is_already_is_done(place: Place) -> None:
    place.probe.deliver(mail(1))
    moved = await place.caller.move("<1@example.org>", "inbox")
    assert moved == {"messageId": "<1@example.org>", "from": "INBOX", "to": "inbox"}
    assert place.probe.ids() == ["1@example.org"]


async def test_folders_beyond_ascii_work(place: Place) -> None:
    place.probe.deliver(mail(1))
    await place.caller.move("<1@example.org>", "Entwürfe & Ähnliches/日本語")
    assert ids(await place.caller.list_emails(folder="Entwürfe & Ähnliches.日本語")) == ["1"]
    await place.caller.move("<1@example.org>", "INBOX", fromFolder="Entwürfe & Ähnliches/日本語")
    assert place.probe.ids() == ["1@example.org"]


async def test_a_folder_that_is_not_there_is_named_with_the_closest_that_are(place: Place) -> None:
    place.probe.deliver(mail(1), "Archive")
    with pytest.raises(FolderNotFound) as caught:
        await place.caller.list_emails(folder="Archve")
    assert caught.value.details["closest"][0] == "Archive"
    assert "Archve" in caught.value.message
    place.probe.deliver(mail(2), "Archve")
    assert ids(await place.caller.list_emails(folder="Archve")) == ["2"]


async def test_a_target_that_somebody_deletes_meanwhile_is_created_again(place: Place) -> None:
    for number in (1, 2):
        place.probe.deliver(mail(number))
    await place.caller.move("<1@example.org>", "Target")
    with place.probe.session() as session:
        session.delete("Target")
    await place.caller.move("<2@example.org>", "Target")
    assert place.probe.ids("Target") == ["2@example.org"]


async def test_dates_are_in_utc(place: Place) -> None:
    place.probe.deliver(mail(1), received=datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    assert (await place.caller.list_emails())[0]["receivedDateTime"] == "2026-03-29T01:30:00Z"
