"""What the engine takes in one result, by the engine itself: a mail beyond that is cut, and never hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from testkit.bpmn import one_task_process
from testkit.workers import serving

from worker.settings import Settings

if TYPE_CHECKING:
    from worker.sandbox import Engine, MailServer

MESSAGE_ID = "<large@example.com>"
SIZE = 8_000_000
BY_DEFAULT = Settings.from_environment({}).worker.max_result_bytes


def mail(text: str) -> bytes:
    head = f"Message-ID: {MESSAGE_ID}\r\nSubject: large\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    return (head + text).encode()


async def start(engine: Engine, port: int, user: str, protocol: str) -> int:
    """Start an instance that reads the mail."""
    task_type = f"email.{protocol}.read"
    process_id = f"large-{protocol}"
    await engine.deploy(one_task_process(process_id, task_type, headers={"resultVariable": "mail"}))
    variables = {
        "authentication": {"username": user, "password": "secret"},
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": {"messageId": MESSAGE_ID},
    }
    return await engine.create_instance(process_id, variables)


@pytest.mark.parametrize("letter", ["x", "é"], ids=["ascii", "beyond"])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_the_engine_takes_a_mail_that_was_cut_to_the_default_limit(
    protocol: str, letter: str, engine: Engine, start_mail_server: Any
) -> None:
    server: MailServer = await start_mail_server(users=[("large", "secret")], tls=False)
    line = letter * 70 + "\r\n"
    await server.deliver("large", mail(line * (SIZE // len(line.encode()))))
    port = server.imap_port if protocol == "imap" else server.pop3_port
    async with serving(engine.address):
        instance = await start(engine, port, "large", protocol)
        result = (await engine.completed(instance))["mail"]
    assert result["truncated"] is True
    bytes_in_json = {"x": 1, "é": 6}[letter]
    assert len(result["plainTextBody"]) * bytes_in_json > 0.9 * BY_DEFAULT


@pytest.mark.parametrize("limit", ["3000000", "7000000"])
async def test_a_result_that_the_engine_does_not_take_is_an_incident_and_not_reported_again_and_again(
    limit: str, engine: Engine, start_mail_server: Any
) -> None:
    server: MailServer = await start_mail_server(users=[("large", "secret")], tls=False)
    await server.deliver("large", mail(("x" * 70 + "\r\n") * (SIZE // 72)))
    async with serving(engine.address, EMAIL_WORKER_MAX_RESULT_BYTES=limit):
        instance = await start(engine, server.imap_port, "large", "imap")
        incident = await engine.incident(instance)
    assert incident.message.startswith("RESULT_REFUSED in email.imap.read: Camunda refused the result")
    await engine.cancel_instance(instance)
