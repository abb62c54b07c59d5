"""Each operation as a person makes it: template chosen, fields filled in Modeler's panel, deployed, run."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from email import message_from_bytes
from typing import Any

import pytest
from testkit.certificates import Certificates
from testkit.dovecot import Dovecot
from testkit.dovecot_oauth import oauth_options
from testkit.modeler import Modeler
from testkit.token_server import CLIENT_ID, CLIENT_SECRET, SCOPE, TokenServer
from testkit.workers import serving

from worker.sandbox import Engine, MailServer

WITH_PASSWORD = "User name and password"  # a choice
NOT_ENCRYPTED = "None: not encrypted (port 25)"
OLDEST = "Oldest or smallest first"
FIRST, SECOND = "1@numbered.example.org", "2@numbered.example.org"
FIRST_ROW = {
    "messageId": f"<{FIRST}>",
    "fromAddress": "sender1@example.org",
    "subject": "Message 1",
    "size": 183,
    "sentDate": "2023-11-14T22:14:20Z",
}
# What a test has its worker configured with.
OPERATOR: dict[str, str] = {}
numbers = itertools.count(1)

Run = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def run(
    modeler: Modeler,
    engine: Engine,
    diagram: str,
    templates: list[dict[str, Any]],
    certificates: Certificates,
) -> Run:
    """Draw, deploy and run a process with one templated task; gives its variables at the end."""

    async def run(
        template: str, fields: Mapping[str, str], variables: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        process_id = f"drawn-{next(numbers)}"
        drawn = diagram.replace('"process"', f'"{process_id}"')
        await modeler.open(drawn, templates, "task", f"camunda-email-worker.{template}")
        await modeler.fill(fields)
        assert [field for field in await modeler.fields() if field["error"]] == []
        assert await modeler.lint() == []
        await engine.deploy((await modeler.xml()).encode(), f"{process_id}.bpmn")
        secrets = {"SECRET_MAIL_PASSWORD": "s3cret", "EMAIL_WORKER_TLS_CA_FILE": str(certificates.ca_file)}
        async with serving(engine.address, **secrets, **OPERATOR):
            instance = await engine.create_instance(process_id, variables or {})
            return await engine.completed(instance)

    return run


@pytest.fixture
def user(dovecot: Dovecot) -> str:
    """The name of a mailbox with two emails."""
    name = f"user{next(numbers)}"
    dovecot.add_user(name, "s3cret")
    dovecot.populate(name, 2)
    return name


@pytest.fixture
def imap(dovecot: Dovecot, user: str) -> dict[str, str]:
    """What a person enters to reach the mailbox over IMAP."""
    return {
        "Connection": "SSL: TLS from the start (port 993)",
        "Host": "127.0.0.1",
        "Port": str(dovecot.imaps_port),
        "Authentication": WITH_PASSWORD,
        "User name": user,
        "Password": "{{secrets.MAIL_PASSWORD}}",
    }


@pytest.fixture
def pop3(dovecot: Dovecot, imap: dict[str, str]) -> dict[str, str]:
    """What a person enters to reach the mailbox over POP3."""
    return {**imap, "Connection": "SSL: TLS from the start (port 995)", "Port": str(dovecot.pop3s_port)}


@pytest.fixture
def smtp(mail_server: MailServer) -> dict[str, str]:
    """What a person enters to send."""
    return {
        "Connection": NOT_ENCRYPTED,
        "Host": "127.0.0.1",
        "Port": str(mail_server.smtp_port),
        "Authentication": WITH_PASSWORD,
        "User name": "orders@example.com",
        "Password": "{{secrets.MAIL_PASSWORD}}",
    }


async def test_send(run: Run, smtp: dict[str, str], mail_server: MailServer) -> None:
    fields = {
        **smtp,
        "From": "Orders <orders@example.com>",
        "To": "=recipient",
        "Subject": '="Order " + string(order)',
        "Format": "Both plain text and HTML",
        "Text": "It is on its way.",
        "HTML": "<p>It is on its way.</p>",
        "More headers": '={"Reply-To": "desk@example.com"}',
        "Result variable": "mail",
    }
    variables = {"recipient": "jane@example.com", "order": 7}
    ended = await run("smtp.send", fields, variables)
    (raw,) = await mail_server.wait_for("jane@example.com")
    message = message_from_bytes(raw)
    assert ended == {
        **variables,
        "mail": {"subject": "Order 7", "sent": True, "messageId": message["Message-ID"]},
    }
    assert message["From"] == "Orders <orders@example.com>"
    assert message["Reply-To"] == "desk@example.com"
    assert [part.get_content_type() for part in message.walk()][1:] == ["text/plain", "text/html"]


async def test_imap_list(run: Run, imap: dict[str, str]) -> None:
    fields = {**imap, "Maximum number of emails": "1", "Sort by": "Date sent", "Order": OLDEST}
    ended = await run("imap.list", fields)
    facts = {"seen": False, "flagged": False, "hasAttachments": False}
    assert ended == {"emails": [{**FIRST_ROW, "receivedDateTime": "2023-11-14T22:14:20Z", **facts}]}


async def test_imap_read(run: Run, imap: dict[str, str], dovecot: Dovecot, user: str) -> None:
    ended = await run("imap.read", {**imap, "Message id": "=chosen"}, {"chosen": FIRST})
    assert ended["email"]["plainTextBody"].strip() == "Body of message 1."
    assert ended["email"]["fromAddress"] == "sender1@example.org"
    assert len(dovecot.messages(user)) == 2


async def test_imap_delete(run: Run, imap: dict[str, str], dovecot: Dovecot, user: str) -> None:
    ended = await run("imap.delete", {**imap, "Message id": f"<{FIRST}>", "Result variable": "removal"})
    assert ended == {"removal": {"deleted": True, "messageId": f"<{FIRST}>"}}
    assert len(dovecot.messages(user)) == 1


async def test_imap_search(run: Run, imap: dict[str, str]) -> None:
    fields = {**imap, "Criteria": '{"field": "SUBJECT", "value": "message 2"}'}
    ended = await run("imap.search", fields)
    (found,) = ended["foundEmails"]
    assert (found["messageId"], found["subject"]) == (f"<{SECOND}>", "Message 2")


async def test_imap_search_by_the_form(run: Run, imap: dict[str, str]) -> None:
    fields = {**imap, "From": "=sender", "Subject": "message", "Since": "2023-01-01", "Unread only": "yes"}
    ended = await run("imap.search", fields, {"sender": "sender1@example.org"})
    assert [found["messageId"] for found in ended["foundEmails"]] == [f"<{FIRST}>"]


async def test_imap_flag(run: Run, imap: dict[str, str]) -> None:
    fields = {**imap, "Message id": FIRST, "Read": "Mark as read", "Result variable": "flags"}
    ended = await run("imap.flag", {**fields, "Keywords": '={add: ["$Processed"]}'})
    assert (ended["flags"]["seen"], ended["flags"]["keywords"]) == (True, ["$Processed"])


async def test_imap_append_and_folders(run: Run, imap: dict[str, str]) -> None:
    draft = {
        "From": "a@example.com",
        "Subject": "A draft",
        "Text": "Dear",
        "Folder": "Drafts",
        "Flags": "Draft",
    }
    ended = await run("imap.append", {**imap, **draft, "Result variable": "draft"})
    assert ended["draft"]["appended"] is True
    ended = await run("imap.folders", {**imap, "Pattern": "D*"})
    assert [(row["name"], row["messages"]) for row in ended["folders"]] == [("Drafts", 1)]


async def test_a_task_that_leaves_all_to_the_worker(
    run: Run, imap: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("HOST", imap["Host"]),
        ("PORT", imap["Port"]),
        ("CRYPTOGRAPHIC_PROTOCOL", "SSL"),
        ("USERNAME", imap["User name"]),
        ("PASSWORD", "s3cret"),
    ):
        monkeypatch.setitem(OPERATOR, f"EMAIL_WORKER_DEFAULT_IMAP_{name}", value)
    ended = await run("imap.list", {})
    assert [row["messageId"] for row in ended["emails"]] == [f"<{SECOND}>", f"<{FIRST}>"]


async def test_imap_move(run: Run, imap: dict[str, str], dovecot: Dovecot, user: str) -> None:
    fields = {**imap, "Message id": "=chosen", "To folder": "Archive/2023", "Result variable": "filed"}
    ended = await run("imap.move", fields, {"chosen": SECOND})
    assert ended["filed"]["from"] == "INBOX"
    assert ended["filed"]["to"] == "Archive/2023"
    assert len(dovecot.messages(user)) == 1
    assert len(dovecot.messages(user, "Archive/2023")) == 1


async def test_pop3_list(run: Run, pop3: dict[str, str], dovecot: Dovecot, user: str) -> None:
    fields = {**pop3, "Maximum number of emails": "=1", "Order": OLDEST}
    ended = await run("pop3.list", fields)
    (row,) = ended["emails"]
    assert {name: row[name] for name in FIRST_ROW} == FIRST_ROW
    assert len(dovecot.messages(user)) == 2


async def test_pop3_read_takes_the_email_away(
    run: Run, pop3: dict[str, str], dovecot: Dovecot, user: str
) -> None:
    ended = await run("pop3.read", {**pop3, "Message id": FIRST})
    assert ended["email"]["subject"] == "Message 1"
    assert len(dovecot.messages(user)) == 1


async def test_pop3_delete(run: Run, pop3: dict[str, str], dovecot: Dovecot, user: str) -> None:
    ended = await run("pop3.delete", {**pop3, "Message id": SECOND, "Result variable": "removal"})
    assert ended["removal"]["deleted"] is True
    assert len(dovecot.messages(user)) == 1


async def test_pop3_search(run: Run, pop3: dict[str, str]) -> None:
    fields = {**pop3, "Criteria": '={"field": "FROM", "value": sender}'}
    ended = await run("pop3.search", fields, {"sender": "sender2@example.org"})
    assert ended["foundEmails"] == [{"messageId": f"<{SECOND}>", "subject": "Message 2"}]


async def test_the_one_template_for_all_does_what_protocol_and_operation_say(
    run: Run, imap: dict[str, str], smtp: dict[str, str], mail_server: MailServer
) -> None:
    search = {"Protocol": "IMAP: work with the folders of a mailbox", "Operation": "Search a folder"}
    ended = await run("email", {**search, **imap, "Criteria": '{"field": "BODY", "value": "message 1."}'})
    assert [found["messageId"] for found in ended["foundEmails"]] == [f"<{FIRST}>"]
    mail = {
        "From": "orders@example.com",
        "To": "joe@example.com",
        "Subject": "Hello",
        "Text": "Good morning.",
    }
    await run("email", {**smtp, **mail})
    assert len(await mail_server.wait_for("joe@example.com")) == 1


async def test_a_relay_needs_no_password(run: Run, smtp: dict[str, str], mail_server: MailServer) -> None:
    relay = {name: value for name, value in smtp.items() if name not in {"User name", "Password"}}
    mail = {"From": "orders@example.com", "To": "sales@example.com", "Subject": "Hello", "Text": "Good day."}
    await run("smtp.send", {**relay, "Authentication": "None", **mail})
    assert len(await mail_server.wait_for("sales@example.com")) == 1


async def test_a_token_of_another_provider_opens_the_mailbox(
    run: Run, imap: dict[str, str], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = "ann@example.org"
    async with TokenServer(ann, certificates.server.server_context()) as identity:
        monkeypatch.setitem(OPERATOR, "EMAIL_WORKER_ALLOWED_TOKEN_ENDPOINTS", identity.url)
        monkeypatch.setitem(OPERATOR, "SECRET_CLIENT", CLIENT_SECRET)
        with (
            oauth_options(public_key=identity.public_key) as options,
            Dovecot(certificates.server, options) as server,
        ):
            server.add_user(ann, "unused")
            server.populate(ann, 1)
            place = {name: imap[name] for name in ("Connection", "Host")}
            fields = {
                **place,
                "Port": str(server.imaps_port),
                "Authentication": "OAuth 2.0 client credentials",
                "Provider": "Another one",
                "User name": ann,
                "OAuth 2.0 token endpoint": identity.url,
                "Client ID": CLIENT_ID,
                "Client secret": "{{secrets.CLIENT}}",
                "Scopes": SCOPE,
            }
            ended = await run("imap.list", fields)
    assert [row["messageId"] for row in ended["emails"]] == [f"<{FIRST}>"]
    assert len(identity.forms) == 1
