"""The operations on mailboxes, each from a process on the real engine to Dovecot and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from testkit.bpmn import one_task_process
from testkit.dovecot import Dovecot
from testkit.workers import serving

from worker.sandbox import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.certificates import Certificates

FIRST = (
    b"Message-ID: <1@example.com>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
    b"From: Jane <jane@example.com>\r\n"
    b"To: desk@example.com\r\nSubject: An order\r\nReceived: from x by y; Mon, 02 Nov 2026 10:00:05 +0000\r\n"
    b"\r\nTen of them, urgent.\r\n"
)
SECOND = FIRST.replace(b"<1@", b"<2@").replace(b"An order", b"A question").replace(b"urgent", b"please")


@pytest.fixture(scope="module")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    with Dovecot(certificates.server) as server:
        yield server


async def run(engine: Engine, dovecot: Dovecot, task_type: str, user: str, **parameters: Any) -> Any:
    """Run an instance of a process with one task of this type; gives its result."""
    protocol, _, name = task_type.removeprefix("email.").partition(".")
    process_id = f"{protocol}-{name}"
    await engine.deploy(one_task_process(process_id, task_type, headers={"resultVariable": "mail"}))
    variables = {
        "authentication": {"username": user, "password": "s3cret"},
        "server": {
            "host": "127.0.0.1",
            "port": dovecot.imap_port if protocol == "imap" else dovecot.pop3_port,
            "cryptographicProtocol": "NONE",
        },
        "parameters": parameters,
    }
    async with serving(engine.address):
        instance = await engine.create_instance(process_id, variables)
        return (await engine.completed(instance))["mail"]


@pytest.fixture(params=["imap", "pop3"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def user(dovecot: Dovecot, request: pytest.FixtureRequest) -> str:
    name = "".join(letter for letter in request.node.name if letter.isalnum())[-60:].lower()
    dovecot.add_user(name, "s3cret")
    dovecot.deliver(name, FIRST)
    dovecot.deliver(name, SECOND)
    return name


async def test_list(engine: Engine, dovecot: Dovecot, protocol: str, user: str) -> None:
    task_type = f"email.{protocol}.list"
    mails = await run(engine, dovecot, task_type, user, sortField="SIZE", sortOrder="DESC", maxToBeRead="1")
    assert [(mail["messageId"], mail["subject"], mail["size"]) for mail in mails] == [
        ("<2@example.com>", "A question", len(SECOND))
    ]
    assert mails[0]["fromAddress"] == "jane@example.com"
    assert mails[0]["sentDate"] == "2026-11-02T10:00:00Z"


async def test_search(engine: Engine, dovecot: Dovecot, protocol: str, user: str) -> None:
    criteria = {"operator": "and", "criteria": [{"field": "body", "value": "URGENT"}]}
    mails = await run(engine, dovecot, f"email.{protocol}.search", user, criteria=criteria)
    facts = {"seen": False, "flagged": False, "hasAttachments": False} if protocol == "imap" else {}
    assert mails == [{"messageId": "<1@example.com>", "subject": "An order", **facts}]


async def test_search_by_the_form_and_by_other_criteria(
    engine: Engine, dovecot: Dovecot, protocol: str, user: str
) -> None:
    task_type, to_desk = f"email.{protocol}.search", {"field": "TO", "value": "desk@example.com"}
    for wanted, expected in (
        ({"from": "jane", "subject": "ORDER"}, ["<1@example.com>"]),
        ({"since": "2026-11-02", "sortField": "SENT_DATE", "maxToBeRead": 1}, ["<1@example.com>"]),
        ({"criteria": {"operator": "NOT", "criteria": [to_desk]}}, []),
        (
            {"criteria": {"operator": "AND", "criteria": [to_desk, {"field": "ATTACHMENT", "value": False}]}},
            2,
        ),
        ({"criteria": {"field": "HEADER", "name": "Message-ID", "value": "2@example"}}, ["<2@example.com>"]),
        ({"criteria": {"field": "SENTON", "value": "2026-11-02"}, "maxToBeRead": 1, "sortOrder": "DESC"}, 1),
    ):
        found = [mail["messageId"] for mail in await run(engine, dovecot, task_type, user, **wanted)]
        assert expected in (found, len(found)), wanted


async def test_an_email_that_was_marked_as_read_is_no_longer_unread(
    engine: Engine, dovecot: Dovecot, user: str
) -> None:
    await run(engine, dovecot, "email.imap.read", user, messageId="<1@example.com>", markAsRead=True)
    unread = await run(engine, dovecot, "email.imap.list", user, unreadOnly=True)
    assert [(mail["messageId"], mail["seen"]) for mail in unread] == [("<2@example.com>", False)]
    flags = {"seen": "true", "flagged": True, "keywords": {"add": ["$Processed"]}}
    result = await run(engine, dovecot, "email.imap.flag", user, messageId="<2@example.com>", **flags)
    assert (result["seen"], result["flagged"], result["keywords"]) == (True, True, ["$Processed"])
    assert await run(engine, dovecot, "email.imap.search", user, unreadOnly=True) == []


async def test_read(engine: Engine, dovecot: Dovecot, protocol: str, user: str) -> None:
    mail = await run(engine, dovecot, f"email.{protocol}.read", user, messageId="1@example.com")
    assert mail["plainTextBody"] == "Ten of them, urgent.\n"
    assert mail["htmlBody"] is None
    assert mail["toAddresses"] == ["desk@example.com"]
    assert {"header": "Subject", "value": "An order"} in mail["headers"]
    left = dovecot.messages(user)
    assert len(left) == (1 if protocol == "pop3" else 2)
    assert not any("S" in message.flags for message in left), "an unread mail stays unread"


async def test_delete(engine: Engine, dovecot: Dovecot, protocol: str, user: str) -> None:
    result = await run(engine, dovecot, f"email.{protocol}.delete", user, messageId="<1@example.com>")
    assert result == {"deleted": True, "messageId": "<1@example.com>"}
    assert [message.raw for message in dovecot.messages(user)] == [SECOND]


async def test_move(engine: Engine, dovecot: Dovecot, user: str) -> None:
    result = await run(
        engine, dovecot, "email.imap.move", user, messageId="<1@example.com>", toFolder="Archive.2026"
    )
    assert result == {"messageId": "<1@example.com>", "from": "INBOX", "to": "Archive.2026"}
    assert [message.raw for message in dovecot.messages(user)] == [SECOND]
    # Dovecot stores what it copies with line ends of its own.
    (moved,) = dovecot.messages(user, "Archive/2026")
    assert moved.raw.replace(b"\n", b"\r\n") == FIRST


async def test_an_appended_email_is_in_the_folder_once(engine: Engine, dovecot: Dovecot, user: str) -> None:
    mail = {"from": "a@example.com", "to": "b@example.com", "subject": "Filed", "body": "Hello"}
    for expected in (True, False):
        result = await run(
            engine, dovecot, "email.imap.append", user, folder="Sent", message="7@x.com", **mail
        )
        assert result == {"messageId": "<7@x.com>", "folder": "Sent", "appended": expected}
    (folder,) = await run(engine, dovecot, "email.imap.folders", user, pattern="Sent")
    assert (folder["name"], folder["messages"], folder["unread"]) == ("Sent", 1, 0)
