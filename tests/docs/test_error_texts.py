"""The error texts of docs/expressions.md and docs/errors.md are those that the worker writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from testkit.jobs import make_job
from testkit.pages import ROOT, read_blocks
from testkit.processes import free_port
from testkit.workers import email_worker

from worker.errors import ConnectionFailed, EmailError, InputError, MessageNotFound
from worker.job.decision import incident_text
from worker.job.expressions import error_scope
from worker.job.headers import ConnectorHeaders

if TYPE_CHECKING:
    from testkit.mail_servers import MailServers

EXPRESSIONS, ERRORS = ROOT / "docs" / "expressions.md", ROOT / "docs" / "errors.md"
SENT = {"from": "a@example.com", "to": "b@example.com", "subject": "Hi", "body": "Ho"}


def documented_error(code: str) -> dict[str, Any]:
    """What the page says that an error expression sees of a failure with this code."""
    seen = (json.loads(block.text) for block in read_blocks(EXPRESSIONS) if "sees" in block.title)
    (found,) = (scope["error"] for scope in seen if scope.get("error", {}).get("code") == code)
    assert isinstance(found, dict)
    return found


def said(error: EmailError, server: str, documented_server: str) -> dict[str, Any]:
    """What an error expression sees, with the server that the page names."""
    text = json.dumps(error_scope(error)["error"]).replace(server, documented_server)
    seen = json.loads(text)
    assert isinstance(seen, dict)
    return seen


async def failure_at_a_closed_port(task_type: str, parameters: dict[str, str], port: int) -> EmailError:
    sign_in = {"username": "orders@example.com", "password": "s3cret"}
    variables = {
        "authentication": {"type": "noAuth"} if task_type == "email.smtp.send" else sign_in,
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": parameters,
    }
    with pytest.raises(ConnectionFailed) as caught:
        async with email_worker() as worker:
            await worker.call(task_type, variables)
    return caught.value


async def test_an_error_expression_sees_what_the_page_says_of_a_server_that_cannot_be_reached() -> None:
    port = free_port()
    error = await failure_at_a_closed_port("email.smtp.send", SENT, port)
    assert said(error, f"127.0.0.1:{port}", "smtp.example.com:587") == documented_error("CONNECTION_FAILED")


async def test_an_error_expression_sees_what_the_page_says_of_an_email_that_is_gone(
    mail_servers: MailServers,
) -> None:
    documented = documented_error("MESSAGE_NOT_FOUND")
    variables = {
        "authentication": {"username": "orders@example.com", "password": "{{secrets.MAIL_PASSWORD}}"},
        "server": {"host": "imap.example.com"},
        "parameters": {"messageId": documented["variables"]["messageId"]},
    }
    async with mail_servers.example("email.imap.read", variables) as example:
        with pytest.raises(MessageNotFound) as caught:
            async with email_worker(**example.environment) as worker:
                await worker.call(example.task_type, example.variables)
    assert said(caught.value, *example.servers) == documented


async def test_the_incident_that_the_page_of_errors_quotes() -> None:
    port = free_port()
    error = await failure_at_a_closed_port("email.imap.list", {}, port)
    text = incident_text(make_job(type="email.imap.list"), error)
    text = text.replace(f"127.0.0.1:{port}", "imap.example.com:993")
    assert f"`{text}`" in " ".join(ERRORS.read_text("utf-8").split())


def test_the_text_of_a_misspelt_function() -> None:
    expression = '=if not(response.sent) then bpmError("not-sent") else null'
    with pytest.raises(InputError) as caught:
        ConnectorHeaders.of({"errorExpression": expression})
    text = incident_text(make_job(type="email.smtp.send"), caught.value)
    assert text in " ".join(EXPRESSIONS.read_text("utf-8").replace("\n> ", " ").split())
