"""What the operator decides: default servers and accounts, the operations served, the send rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from testkit.bpmn import one_task_process
from testkit.dovecot import Dovecot
from testkit.scripted_smtp import ScriptedSmtp
from testkit.workers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.certificates import Certificates

    from worker.sandbox import Engine

MAIL = {"from": "a@example.com", "to": "b@example.com", "subject": "Hello", "body": "Good day."}
AS_CONFIGURED = {"server.cryptographicProtocol": "=null", "authentication.type": "=null"}


@pytest.fixture(scope="module")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    with Dovecot(certificates.server) as server:
        server.add_user("desk", "s3cret")
        server.populate("desk", 1)
        yield server


async def start(engine: Engine, task_type: str, variables: dict[str, Any]) -> int:
    process_id = task_type.replace(".", "-") + "-as-configured"
    process = one_task_process(
        process_id, task_type, headers={"resultVariable": "result"}, inputs=AS_CONFIGURED
    )
    await engine.deploy(process)
    return await engine.create_instance(process_id, variables)


async def test_a_task_without_server_and_account_uses_those_of_the_worker(
    engine: Engine, dovecot: Dovecot
) -> None:
    configured = {
        "EMAIL_WORKER_DEFAULT_IMAP_HOST": "127.0.0.1",
        "EMAIL_WORKER_DEFAULT_IMAP_PORT": str(dovecot.imap_port),
        "EMAIL_WORKER_DEFAULT_IMAP_CRYPTOGRAPHIC_PROTOCOL": "none",
        "EMAIL_WORKER_DEFAULT_IMAP_USERNAME": "desk",
        "EMAIL_WORKER_DEFAULT_IMAP_PASSWORD": "{{secrets.DESK}}",
        "SECRET_DESK": "s3cret",
    }
    async with serving(engine.address, **configured):
        # A variable of the process that is called like one of ours does not matter.
        instance = await start(engine, "email.imap.list", {"server": {"host": "elsewhere.invalid"}})
        (row,) = (await engine.completed(instance))["result"]
        assert row["subject"] == "Message 1"


async def test_a_worker_without_a_default_says_what_is_missing(engine: Engine) -> None:
    async with serving(engine.address):
        instance = await start(engine, "email.smtp.send", {"parameters": MAIL})
        incident = await engine.incident(instance)
        assert incident.message.startswith("INVALID_INPUT in email.smtp.send: server names no mail server")
        assert "EMAIL_WORKER_DEFAULT_SMTP_HOST" in incident.message
        await engine.cancel_instance(instance)


async def test_a_worker_serves_the_operations_of_its_patterns_alone(engine: Engine) -> None:
    async with ScriptedSmtp() as server:
        configured = {
            "EMAIL_WORKER_DEFAULT_SMTP_HOST": "127.0.0.1",
            "EMAIL_WORKER_DEFAULT_SMTP_PORT": str(server.port),
            "EMAIL_WORKER_DEFAULT_SMTP_CRYPTOGRAPHIC_PROTOCOL": "NONE",
        }
        async with serving(engine.address, EMAIL_WORKER_OPERATIONS="imap.*, pop3.list", **configured):
            instance = await start(engine, "email.smtp.send", {"parameters": MAIL})
            waiting = await start(engine, "email.imap.list", {})
            await engine.incident(waiting)  # this worker serves that, and the account is missing
            await engine.cancel_instance(waiting)
            assert server.connections == 0
        async with serving(engine.address, EMAIL_WORKER_OPERATIONS="email.smtp.send", **configured):
            assert (await engine.completed(instance))["result"]["sent"] is True


async def test_a_job_above_the_send_rate_is_returned_with_its_retries_and_sent_later(engine: Engine) -> None:
    async with ScriptedSmtp() as server:
        configured = {
            "EMAIL_WORKER_DEFAULT_SMTP_HOST": "127.0.0.1",
            "EMAIL_WORKER_DEFAULT_SMTP_PORT": str(server.port),
            "EMAIL_WORKER_DEFAULT_SMTP_CRYPTOGRAPHIC_PROTOCOL": "NONE",
        }
        async with serving(engine.address, EMAIL_WORKER_MAX_SENDS_PER_MINUTE="2", **configured):
            for _ in range(2):
                await engine.completed(await start(engine, "email.smtp.send", {"parameters": MAIL}))
            third = await start(engine, "email.smtp.send", {"parameters": MAIL})
            await engine.wait_until(third, lambda record: record.intent == "FAILED" or None, what="a return")
            assert len(server.accepted) == 2
            (returned,) = [event for event in engine.job_events(third) if event.intent == "FAILED"]
            assert returned.retries == 3
            await engine.cancel_instance(third)
