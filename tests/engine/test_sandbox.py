from __future__ import annotations

import asyncio
import imaplib
import os
import poplib
import select
import smtplib
import socket
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyzeebe import ZeebeClient, ZeebeWorker, create_insecure_channel
from pyzeebe.errors import ProcessDefinitionNotFoundError, ProcessTimeoutError
from testkit.processes import free_port

from worker.documents.http_client import HttpClient, HttpTimeouts
from worker.documents.store import DocumentStore
from worker.models.documents import File, StoredDocument, parse_documents
from worker.sandbox import Engine, SandboxError
from worker.sandbox.archive import engine_java
from worker.sandbox.rest import rest_api

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from testkit.certificates import Certificates

    from worker.sandbox import FeelReference, MailServer

ONE_TASK = Path(__file__).with_name("one_task.bpmn")
SEND_EMAIL = Path(__file__).parents[2] / "examples" / "send-email.bpmn"
MAIL = b"From: x@example.com\r\nTo: y@example.com\r\nSubject: hello\r\n\r\nbody\r\n"

PARENT = """
import asyncio
from worker.sandbox import Engine, MailServer

async def main():
    async with Engine.start() as engine, MailServer.start() as mail_server:
        print(engine.pid, mail_server.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def wait_for_end(pid: int, within_seconds: float = 60) -> None:
    process = os.pidfd_open(pid)
    try:
        ended, _, _ = await asyncio.to_thread(select.select, [process], [], [], within_seconds)
    finally:
        os.close(process)
    assert ended, f"process {pid} is still there after {within_seconds} s"


def send(mail_server: MailServer, recipient: str) -> None:
    with smtplib.SMTP(mail_server.host, mail_server.smtp_port) as smtp:
        smtp.sendmail("x@example.com", [recipient], MAIL)


async def test_an_instance_without_tasks_ends_with_its_variables(engine: Engine) -> None:
    await engine.deploy(ONE_TASK)
    instance = await engine.create_instance("one-task", {"skipped": True, "list": [1, 2.5, None, "ü"]})
    assert await engine.completed(instance) == {"skipped": True, "list": [1, 2.5, None, "ü"]}


async def test_two_hundred_instances_are_waited_for_at_once(engine: Engine) -> None:
    await engine.deploy(ONE_TASK)

    async def run(number: int) -> dict[str, Any]:
        return await engine.completed(
            await engine.create_instance("one-task", {"skipped": True, "n": number})
        )

    ended = await asyncio.gather(*(run(number) for number in range(200)))
    assert [variables["n"] for variables in ended] == list(range(200))


async def test_an_expression_that_fails_is_an_incident(engine: Engine) -> None:
    await engine.deploy(ONE_TASK)
    instance = await engine.create_instance("one-task", {"skipped": "maybe"})
    incident = await engine.incident(instance)
    assert incident.element_id == "Skip"
    assert incident.error_type == "EXTRACT_VALUE_ERROR"
    assert "maybe" in incident.message or "skipped" in incident.message
    assert incident.job_key == -1
    with pytest.raises(SandboxError, match=r"no end within 0\.2 s"):
        await engine.completed(instance, within_seconds=0.2)
    await engine.resolve(incident)
    assert (await engine.incident(instance)).key != incident.key


async def test_a_cancelled_instance_does_not_complete(engine: Engine) -> None:
    await engine.deploy(ONE_TASK)
    instance = await engine.create_instance("one-task", {"skipped": False})
    assert (await engine.job_event(instance, "CREATED")).retries == 2
    await engine.cancel_instance(instance)
    with pytest.raises(SandboxError, match="was cancelled"):
        await engine.completed(instance)
    assert [event.intent for event in engine.job_events(instance)] == ["CREATED", "CANCELED"]


async def test_a_request_for_a_result_ends_at_its_timeout_and_the_engine_goes_on(
    start_engine: Callable[[], Awaitable[Engine]],
) -> None:
    engine = await start_engine()
    await engine.deploy(ONE_TASK)
    channel = create_insecure_channel(grpc_address=engine.address)
    client, jobs = ZeebeClient(channel), ZeebeWorker(channel).zeebe_adapter

    async def complete_one_job() -> None:
        while True:  # the engine answers at once if there is no job yet
            async for job in jobs.activate_jobs("work", "test", 60_000, 1, [], 30_000, []):
                await jobs.complete_job(job.key, {})
                return

    with pytest.raises(ProcessTimeoutError):
        await client.run_process_with_result("one-task", {"skipped": False}, timeout=500)
    await complete_one_job()  # now there is a result, and nobody to take it
    in_time = asyncio.create_task(
        client.run_process_with_result("one-task", {"skipped": False}, timeout=60_000)
    )
    await complete_one_job()
    assert (await in_time).variables == {"skipped": False}
    with pytest.raises(ProcessDefinitionNotFoundError):
        await client.run_process_with_result("no-such-process")


async def test_the_clock_fires_a_timer_an_hour_early(start_engine: Callable[[], Awaitable[Engine]]) -> None:
    engine = await start_engine()
    await engine.deploy(ONE_TASK)
    instance = await engine.create_instance("one-task", {"skipped": False})
    await engine.job_event(instance, "CREATED")
    await engine.increase_time(3601)
    assert await engine.completed(instance) == {"skipped": False}


async def test_bytes_are_deployed_under_a_name_and_bad_ones_refused(engine: Engine) -> None:
    await engine.deploy(SEND_EMAIL.read_bytes(), "send-email.bpmn")
    with pytest.raises(SandboxError, match="refused deploy"):
        await engine.deploy(b"<not-bpmn/>", "broken.bpmn")
    with pytest.raises(SandboxError, match="no-such-process"):
        await engine.create_instance("no-such-process")


async def test_the_example_hands_out_a_job_for_an_email(engine: Engine) -> None:
    await engine.deploy(SEND_EMAIL)
    instance = await engine.create_instance("send-email", {"mailHost": "localhost", "mailPort": 25})
    job = await engine.job_event(instance, "CREATED")
    assert (job.job_type, job.retries) == ("email.smtp.send", 3)
    await engine.cancel_instance(instance)


async def test_a_killed_engine_comes_back_empty_on_its_port(
    start_engine: Callable[[], Awaitable[Engine]],
) -> None:
    engine = await start_engine()
    await engine.deploy(ONE_TASK)
    instance = await engine.create_instance("one-task", {"skipped": False})
    waiting = asyncio.create_task(engine.completed(instance))
    await engine.job_event(instance, "CREATED")
    address = engine.address
    pid = engine.pid
    await engine.kill()
    with pytest.raises(SandboxError, match="has ended"):
        await waiting
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(SandboxError, match="not running"):
        await engine.create_instance("one-task")
    await engine.restart()
    assert engine.address == address
    with pytest.raises(SandboxError, match="one-task"):
        await engine.create_instance("one-task")
    await engine.deploy(ONE_TASK)
    await engine.completed(await engine.create_instance("one-task", {"skipped": True}))


async def test_a_taken_port_is_said(engine: Engine) -> None:
    port = int(engine.address.rpartition(":")[2])
    with pytest.raises(SandboxError, match=f"{port}"):
        async with Engine.start(port):
            pass


async def test_an_engine_without_its_archive_starts_all_the_same(tmp_path: Path) -> None:
    java = {**engine_java(), "archive": str(tmp_path / "missing.aot")}
    async with Engine(free_port(), java) as engine:
        await engine.deploy(ONE_TASK)
        await engine.completed(await engine.create_instance("one-task", {"skipped": True}))


async def test_mail_comes_in_by_smtp_and_goes_out_by_pop3_and_imap(
    mail_server: MailServer, certificates: Certificates
) -> None:
    trusted = ssl.create_default_context(cafile=str(certificates.ca_file))

    def exchange() -> tuple[int, int]:
        with smtplib.SMTP_SSL("localhost", mail_server.smtps_port, context=trusted) as smtp:
            smtp.login("carol@example.com", "secret")
            smtp.sendmail("x@example.com", ["carol@example.com"], MAIL)
        pop3 = poplib.POP3_SSL("localhost", mail_server.pop3s_port, context=trusted)
        pop3.user("carol@example.com")
        pop3.pass_("secret")
        count, _size = pop3.stat()
        pop3.quit()
        with imaplib.IMAP4_SSL("localhost", mail_server.imaps_port, ssl_context=trusted) as imap:
            imap.login("carol@example.com", "secret")
            _status, [listed] = imap.select()
        assert listed is not None
        return count, int(listed)

    assert await asyncio.to_thread(exchange) == (1, 1)
    [received] = await mail_server.wait_for("carol@example.com", 1)
    assert b"Subject: hello\r\n" in received


async def test_a_wait_ends_when_the_mail_arrives_and_not_before(mail_server: MailServer) -> None:
    waiting = asyncio.create_task(mail_server.wait_for("dave@example.com", 2))
    await mail_server.deliver("dave@example.com", MAIL)
    await asyncio.to_thread(send, mail_server, "dave@example.com")
    delivered, _sent = await waiting
    assert delivered.rstrip() == MAIL.rstrip()
    assert await mail_server.messages("nobody@example.com") == []
    with pytest.raises(SandboxError, match="no user nobody@example"):
        await mail_server.deliver("nobody@example.com", MAIL)
    with pytest.raises(SandboxError, match=r"has 2 emails after 0\.1 s, not 3"):
        await mail_server.wait_for("dave@example.com", 3, within_seconds=0.1)


async def test_a_killed_mail_server_comes_back_empty_on_its_ports(start_mail_server: Any) -> None:
    mail_server = await start_mail_server(users=[("carol@example.com", "secret")], tls=False)
    await asyncio.to_thread(send, mail_server, "carol@example.com")
    await mail_server.wait_for("carol@example.com")
    port = mail_server.smtp_port
    await mail_server.kill()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(send, mail_server, "carol@example.com")
    await mail_server.restart()
    assert mail_server.smtp_port == port
    assert await mail_server.messages("carol@example.com") == []
    await asyncio.to_thread(send, mail_server, "carol@example.com")
    await mail_server.wait_for("carol@example.com")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a + 1", 2),
        ("0.5 * a", 0.5),
        ("missing", None),
        ('{day: date("2026-01-31"), wait: duration("PT5M"), list: [a, "x", null]}',
         {"day": "2026-01-31", "wait": "PT5M", "list": [1, "x", None]}),
    ],
)  # fmt: skip
async def test_the_reference_gives_json(feel_reference: FeelReference, expression: str, value: Any) -> None:
    answer = await feel_reference.evaluate(expression, {"a": 1})
    assert (answer.value, answer.error) == (value, None)


async def test_the_reference_says_what_is_wrong(feel_reference: FeelReference) -> None:
    wrong, right = await feel_reference.evaluate_all([("1 +", {}), ("1 + 1", {})])
    assert wrong.error is not None
    assert "failed to parse" in wrong.error
    assert right.value == 2


async def test_a_killed_parent_leaves_no_child() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    children = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(children) == 2
    endings = [asyncio.create_task(wait_for_end(pid)) for pid in children]
    parent.kill()
    await parent.wait()
    await asyncio.gather(*endings)


async def test_a_document_is_kept_and_given_back(engine: Engine) -> None:
    port = free_port()
    http = HttpClient(ssl.create_default_context(), HttpTimeouts(10, 10, 10))
    store = DocumentStore(http, f"http://127.0.0.1:{port}", None)
    async with rest_api(engine, "127.0.0.1", port):
        reference = await store.create(File("Grüße.txt", "text/plain", b"hello"))
        (document,) = parse_documents(reference)
        assert isinstance(document, StoredDocument)
        answer = await store.fetch(document, max_bytes=100)
        await store.close()
    assert (answer.content, answer.content_type) == (b"hello", "text/plain")
    assert document.name == "Grüße.txt"


async def test_the_ports_of_servers_are_given_to_nobody_while_they_are_restarted(
    engine: Engine, mail_server: MailServer
) -> None:
    ports = {int(engine.address.rpartition(":")[2]), mail_server.smtp_port, mail_server.imaps_port}
    await engine.kill()
    await mail_server.kill()
    for port in ports:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
    await engine.restart()
    await mail_server.restart()
    assert {int(engine.address.rpartition(":")[2]), mail_server.smtp_port, mail_server.imaps_port} == ports
    for port in ports:
        socket.create_connection(("127.0.0.1", port)).close()
