"""What a worker that serves a real engine shows of itself: over HTTP, in its log, and when it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from testkit.bpmn import one_task_process
from testkit.health_pages import HealthPages
from testkit.otel_collector import otel_collector
from testkit.processes import free_port
from testkit.scripted_imap import ImapOptions, ScriptedImap
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import ScriptedServer, say, sequence, wait_for
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep
from testkit.workers import WorkerProcess, serving

from worker.sandbox import Engine, MailServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

SEND, LIST, READ = "email.smtp.send", "email.imap.list", "email.pop3.read"
CANARY = "canary7391"
SECRET = "hunter2-canary7391"
WITHOUT_MESSAGES = {"EMAIL_WORKER_LOG_ERROR_MESSAGES": "false"}


def variables(port: int, *, username: str | None = None, **parameters: Any) -> dict[str, Any]:
    authentication = {"username": username, "password": "secret"} if username else {"type": "noAuth"}
    return {
        "authentication": authentication,
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": parameters,
    }


def letter(port: int, **parameters: Any) -> dict[str, Any]:
    return variables(
        port,
        **{
            "from": "orders@example.com",
            "to": "metrics@example.com",
            "subject": "x",
            "body": "y",
            **parameters,
        },
    )


async def deploy(engine: Engine, *task_types: str, **headers: str) -> None:
    for task_type in task_types:
        process = one_task_process(task_type, task_type, headers={"resultVariable": "result", **headers})
        await engine.deploy(process, f"{task_type}.bpmn")


async def test_metrics_tell_good_failing_and_returned_jobs_apart(
    engine: Engine, mail_server: MailServer
) -> None:
    port, may_answer = free_port(), asyncio.Event()
    faults = {SmtpStep.ANSWER: sequence(wait_for(may_answer), say("250 2.0.0 Accepted"))}
    environment = {"EMAIL_WORKER_HEALTH_PORT": str(port), "EMAIL_WORKER_MAX_JOBS_PER_SERVER": "1"}
    await deploy(engine, SEND, LIST)
    async with (
        ScriptedSmtp(faults) as slow,
        serving(engine.address, **environment),
        HealthPages.at(port) as pages,
    ):
        await pages.until("ready", 200)
        assert await pages.probe("live") == (200, {"status": "alive"})
        good = await engine.create_instance(SEND, letter(mail_server.smtp_port))
        await engine.completed(good)
        inbox = variables(mail_server.imap_port, username="alice@example.com")
        await engine.completed(await engine.create_instance(LIST, inbox))
        bad = await engine.create_instance(SEND, letter(mail_server.smtp_port, to="nobody"))
        await engine.incident(bad)
        waiting = await engine.create_instance(SEND, letter(slow.port, subject="first"))
        await slow.heard("DATA")
        second = await engine.create_instance(SEND, letter(slow.port, subject="second"))
        await engine.job_event(second, "FAILED")
        during = await pages.metrics(
            lambda scrape: (
                scrape.value("jobs_running") == 1
                and scrape.value("jobs_total", operation=SEND, outcome="RETURNED") != 0
            )
        )
        may_answer.set()
        await engine.completed(waiting)
        await engine.completed(second)
        after = await pages.metrics_at_rest()

    assert during.value("sessions", protocol="smtp", state="busy") == 1
    assert after.value("jobs_running") == 0
    assert after.value("jobs_total", operation=SEND, outcome="COMPLETED") == 3
    assert after.value("jobs_total", operation=SEND, outcome="INVALID_INPUT") == 1
    assert after.value("jobs_total", operation=LIST, outcome="COMPLETED") == 1
    assert after.value("incidents_total", operation=SEND) == 1
    assert after.value("job_duration_seconds_count", operation=SEND) == 4
    assert after.value("mail_server_duration_seconds_count", operation=SEND) == 3
    assert after.value("mail_commands_total", protocol="smtp", command="MAIL") == 3
    assert after.value("mail_commands_total", protocol="smtp", command="EHLO") == 2
    assert after.value("mail_commands_total", protocol="imap", command="LOGIN") == 1
    assert after.value("mail_commands_total", protocol="imap", command="SELECT") == 1
    assert after.value("sessions_opened_total", protocol="smtp") == 2
    assert after.value("sessions", protocol="imap", state="idle") == 1
    assert after.value("gateway_connected") == 1
    assert after.value("ready") == 1


async def test_a_bpmn_errors_own_code_is_no_label(engine: Engine) -> None:
    port = free_port()
    await deploy(engine, SEND, errorExpression=f'bpmnError("{CANARY}")')
    async with (
        ScriptedSmtp() as server,
        serving(engine.address, EMAIL_WORKER_HEALTH_PORT=str(port)),
        HealthPages.at(port) as pages,
    ):
        instance = await engine.create_instance(SEND, letter(server.port))
        await engine.incident(instance)
        scrape = await pages.metrics_at_rest()
    assert scrape.value("jobs_total", operation=SEND, outcome="BPMN_ERROR") == 1
    assert CANARY not in scrape.text


async def test_a_mail_that_waits_for_the_engine_is_counted_as_held(
    start_engine: Callable[[], Awaitable[Engine]], start_mail_server: Callable[..., Awaitable[MailServer]]
) -> None:
    port, engine = free_port(), await start_engine()
    mail_server = await start_mail_server(users=[("alice@example.com", "secret")])
    await mail_server.deliver("alice@example.com", b"Message-ID: <1@x>\r\nSubject: s\r\n\r\nb\r\n")
    await deploy(engine, READ)
    environment = {"EMAIL_WORKER_HEALTH_PORT": str(port), "EMAIL_WORKER_POP3_HOLD_SECONDS": "60"}
    async with serving(engine.address, **environment), HealthPages.at(port) as pages:
        asked = variables(mail_server.pop3_port, username="alice@example.com", messageId="1@x")
        instance = await engine.create_instance(READ, asked)
        await engine.completed(instance)
        scrape = await pages.metrics_at_rest()
    assert scrape.value("jobs_total", operation=READ, outcome="COMPLETED") == 1
    assert scrape.value("mail_commands_total", protocol="pop3", command="RETR") in (1, 2)
    assert scrape.value("mail_commands_total", protocol="pop3", command="DELE") == 1
    assert scrape.value("sessions_opened_total", protocol="pop3") == 1
    assert scrape.value("pending_deletions") == 0
    assert scrape.value("failed_deletions_total") == 0


async def test_a_worker_is_not_ready_without_its_gateway_and_ready_again_with_it(
    start_engine: Callable[[], Awaitable[Engine]],
) -> None:
    port, engine = free_port(), await start_engine()
    async with (
        serving(engine.address, EMAIL_WORKER_HEALTH_PORT=str(port)),
        HealthPages.at(port) as pages,
    ):
        await pages.until("ready", 200)
        await engine.kill()
        said = await pages.until("ready", 503)
        lost = await pages.metrics_at_rest()
        assert (await pages.probe("live"))[0] == 200
        await engine.restart()
        await pages.until("ready", 200)
        back = await pages.metrics_at_rest()
    assert said["status"] == "not ready"
    assert said["reasons"][0].startswith("The gateway does not answer: UNAVAILABLE")
    assert (lost.value("gateway_connected"), lost.value("ready")) == (0, 0)
    assert (back.value("gateway_connected"), back.value("ready")) == (1, 1)


async def test_a_worker_that_drains_is_alive_but_not_ready(engine: Engine) -> None:
    port, may_answer = free_port(), asyncio.Event()
    faults = {SmtpStep.ANSWER: sequence(wait_for(may_answer), say("250 2.0.0 Accepted"))}
    await deploy(engine, SEND)
    async with (
        ScriptedSmtp(faults) as server,
        WorkerProcess.start(engine.address, EMAIL_WORKER_HEALTH_PORT=str(port)) as worker,
        HealthPages.at(port) as pages,
    ):
        await pages.until("ready", 200)
        instance = await engine.create_instance(SEND, letter(server.port))
        await server.heard("DATA")
        worker.signal(signal.SIGTERM)
        said = await pages.until("ready", 503)
        assert (await pages.probe("live"))[0] == 200
        may_answer.set()
        await engine.completed(instance)
        assert await worker.ended() == 0
    assert said == {
        "status": "not ready",
        "reasons": ["The worker is stopping; 1 job is running."],
    }


async def test_a_job_is_a_span_with_its_mail_commands_under_it(engine: Engine) -> None:
    port = free_port()
    await deploy(engine, SEND)
    async with (
        ScriptedSmtp() as server,
        otel_collector(port) as received,
        WorkerProcess.start(engine.address, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}") as worker,
    ):
        instance = await engine.create_instance(SEND, letter(server.port, subject=CANARY))
        await engine.completed(instance)
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0
        spans = [received.get_nowait() for _ in range(received.qsize())]
    (job,) = [span for span in spans if not span.parent_span_id]
    steps = sorted((span for span in spans if span != job), key=lambda span: span.start_time_unix_nano)
    assert job.name == f"process {SEND}"
    assert [span.name for span in steps] == [
        "SMTP connect",
        "SMTP greeting",
        "SMTP EHLO",
        "SMTP MAIL RCPT DATA",
        "SMTP END-OF-DATA",
    ]
    assert {span.parent_span_id for span in steps} == {job.span_id}
    assert {span.trace_id for span in spans} == {job.trace_id}
    assert all(job.start_time_unix_nano <= span.start_time_unix_nano for span in steps)
    assert all(span.end_time_unix_nano <= job.end_time_unix_nano for span in steps)
    assert CANARY not in str(spans)


async def test_a_port_that_is_taken_ends_the_worker_with_one_sentence(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker", "run"),
            env=os.environ
            | {
                "ZEEBE_ADDRESS": engine.address,
                "EMAIL_WORKER_HEALTH_HOST": "127.0.0.1",
                "EMAIL_WORKER_HEALTH_PORT": str(port),
            },
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode() == (
        f"The health pages cannot be served at 127.0.0.1:{port} (address already in use); choose another"
        " EMAIL_WORKER_HEALTH_PORT, or 0 for none.\n"
    )


async def test_without_messages_one_line_tells_of_a_job_and_no_line_quotes_what_was_in_it(
    start_engine: Callable[[], Awaitable[Engine]], mail_server: MailServer
) -> None:
    engine = await start_engine()
    mail = f"Message-ID: <{CANARY}@x>\r\nFrom: {CANARY}@example.com\r\nSubject: {CANARY}\r\n\r\n{CANARY}\r\n"
    await mail_server.deliver("bob@example.com", mail.encode())
    await deploy(engine, SEND, LIST, READ)
    refusing = SmtpOptions(refused={"metrics@example.com": f"450 4.2.0 {CANARY}"})
    inbox = {"username": "bob@example.com", "password": "geheim"}
    async with (
        ScriptedSmtp(options=refusing) as server,
        WorkerProcess.start(
            engine.address, EMAIL_WORKER_LOG_LEVEL="debug", SECRET_PASSWORD=SECRET, **WITHOUT_MESSAGES
        ) as worker,
    ):
        content = {"subject": CANARY, "body": CANARY, "headers": {"X-Order": CANARY}}
        given = letter(mail_server.smtp_port, to=f"{CANARY}@example.com", **content)
        good = await engine.create_instance(SEND, given)
        await engine.completed(good)
        bad = [
            letter(mail_server.smtp_port, to=CANARY),
            letter(mail_server.smtp_port, **{CANARY: 1}),
            letter(server.port, **content),
            {
                **letter(server.port),
                "authentication": {"username": CANARY, "password": "{{secrets.PASSWORD}}"},
            },
        ]
        instances = [await engine.create_instance(SEND, given) for given in bad]
        for instance in instances:
            await engine.job_event(instance, "FAILED")
        wrong = variables(mail_server.imap_port, username=f"{CANARY}@example.com")
        wrong["authentication"]["password"] = "{{secrets.PASSWORD}}"
        await engine.incident(await engine.create_instance(LIST, wrong))
        folder = variables(mail_server.imap_port, username="x", folder=CANARY) | {"authentication": inbox}
        await engine.incident(await engine.create_instance(LIST, folder))
        read = variables(mail_server.pop3_port, username="x", messageId=f"{CANARY}@x")
        instance = await engine.create_instance(READ, read | {"authentication": inbox})
        assert (await engine.completed(instance))["result"]["subject"] == CANARY
        worker.signal(signal.SIGTERM)
        await worker.logged("worker_stopped")
        assert await worker.ended() == 0

    assert CANARY not in json.dumps(worker.events)
    ended = [line for line in worker.events if line["event"] == "job_ended"]
    (line,) = [line for line in ended if line["process_instance_key"] == good]
    assert len({line["job_key"] for line in ended}) >= 8
    assert line["operation"] == SEND
    assert line["outcome"] == "COMPLETED"
    assert line["element_id"] == "task"
    assert line["server"] == f"127.0.0.1:{mail_server.smtp_port}"
    assert 0 < line["server_seconds"] <= line["seconds"]
    assert line["commands"] >= 5
    assert 3 <= line["round_trips"] <= line["commands"]


def servers_that_quote() -> Iterator[tuple[str, ScriptedServer]]:
    """Refusals, and what is no answer at all, so that the protocol libraries raise errors of their own."""
    for step in (SmtpStep.EHLO, SmtpStep.DATA, SmtpStep.DOT):
        yield SEND, ScriptedSmtp({step: say(f"554 {CANARY}")})
        yield SEND, ScriptedSmtp({step: say(CANARY)})
    for verb in ("CAPABILITY", "LOGIN", "SELECT", "UID FETCH"):
        yield LIST, ScriptedImap(ImapOptions(faults={verb: say(f"{{tag}} NO {CANARY}")}))
        yield LIST, ScriptedImap(ImapOptions(faults={verb: say(f"* 1 {CANARY} (", "{tag} OK ((")}))
    mails = {"uid1": f"Message-ID: <1@x>\r\nSubject: {CANARY}\r\n\r\n{CANARY}\r\n".encode()}
    for verb in ("PASS", "UIDL", "RETR", "DELE", "QUIT"):
        yield READ, ScriptedPop3(mails, Pop3Options(faults={verb: say(f"-ERR {CANARY}")}))
        yield READ, ScriptedPop3(mails, Pop3Options(faults={verb: say(CANARY)}))


async def test_an_incident_is_an_error_with_its_message_and_no_secret(
    start_engine: Callable[[], Awaitable[Engine]],
) -> None:
    engine = await start_engine()
    await deploy(engine, LIST)
    refusing = ImapOptions(faults={"LOGIN": say(f"{{tag}} NO [AUTHENTICATIONFAILED] not with {SECRET}")})
    async with (
        ScriptedImap(refusing) as server,
        WorkerProcess.start(engine.address, SECRET_PASSWORD=SECRET) as worker,
    ):
        given = variables(server.port, username="alice")
        given["authentication"]["password"] = "{{secrets.PASSWORD}}"
        instance = await engine.create_instance(LIST, given)
        incident = await engine.incident(instance)
        line = await worker.logged("job_ended")
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert (line["level"], line["code"]) == ("error", "AUTHENTICATION_FAILED")
    assert (line["incident"], line["retries"]) == (True, 0)
    assert (line["bpmn_process_id"], line["element_id"]) == (LIST, incident.element_id)
    assert line["process_instance_key"] == instance
    assert "tenant_id" in line
    assert line["message"] == incident.message
    assert "***" in line["message"]
    assert SECRET not in json.dumps(worker.events)


async def test_without_messages_no_line_quotes_what_a_mail_server_says(
    start_engine: Callable[[], Awaitable[Engine]],
) -> None:
    engine = await start_engine()
    await deploy(engine, SEND, LIST, READ)
    outcomes = set()
    async with (
        AsyncExitStack() as servers,
        WorkerProcess.start(engine.address, EMAIL_WORKER_LOG_LEVEL="debug", **WITHOUT_MESSAGES) as worker,
    ):
        for operation, given in servers_that_quote():
            port = (await servers.enter_async_context(given)).port
            asked = {
                SEND: letter(port),
                LIST: variables(port, username="alice"),
                READ: variables(port, username="alice", messageId="1@x"),
            }
            instance = await engine.create_instance(operation, asked[operation])
            while (line := await worker.logged("job_ended"))["process_instance_key"] != instance:
                pass  # an earlier job, tried again
            outcomes.add(line["outcome"])
    assert {"COMPLETED", "SERVER_REFUSED", "PROTOCOL_ERROR", "AUTHENTICATION_FAILED"} <= outcomes
    assert len([line for line in worker.events if line["event"] == "email_not_deleted"]) == 4
    assert CANARY not in json.dumps(worker.events)
