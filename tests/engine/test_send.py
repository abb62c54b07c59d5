"""email.smtp.send, from a process on the real engine to a mail server and back."""

from __future__ import annotations

import asyncio
import signal
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from testkit.bpmn import one_task_process
from testkit.processes import free_port
from testkit.scripted_server import hang, say, sequence, wait_for
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep
from testkit.whole_gateway import whole_gateway
from testkit.workers import WorkerProcess, serving

from worker.sandbox import Engine, MailServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from testkit.scripted_server import Dialogue

TASK_TYPE = "email.smtp.send"
PROCESS = one_task_process("send", TASK_TYPE, headers={"resultVariable": "mail"})
RECIPIENT = "jane@example.com"


def variables(port: int, **parameters: Any) -> dict[str, Any]:
    return {
        "authentication": {"type": "noAuth"},
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": {
            "from": "orders@example.com",
            "to": RECIPIENT,
            "subject": "Your order",
            "body": "It is on its way.",
            **parameters,
        },
    }


def vendor_variables(port: int, **action: Any) -> dict[str, Any]:
    mail = {"from": "orders@example.com", "subject": "Your order", "body": "It is on its way."}
    config = {"smtpHost": "127.0.0.1", "smtpPort": port, "smtpCryptographicProtocol": "NONE"}
    return {
        "authentication": {"type": "noAuth"},
        "protocol": "smtp",
        "data": {
            "smtpActionDiscriminator": "sendEmailSmtp",
            "smtpAction": {**mail, **action},
            "smtpConfig": config,
        },
    }


@pytest_asyncio.fixture(loop_scope="session")
async def deployed(engine: Engine) -> Engine:
    await engine.deploy(PROCESS, "send.bpmn")
    return engine


async def test_a_process_sends_an_email_and_gets_the_result(
    deployed: Engine, mail_server: MailServer
) -> None:
    async with serving(deployed.address):
        given = {
            **variables(mail_server.smtp_port, to="first@example.com"),
            "orderId": {"secrets": "no matter"},
        }
        instance = await deployed.create_instance("send", given)
        result = await deployed.completed(instance)
    (message,) = await mail_server.wait_for("first@example.com")
    assert result["mail"] == {
        "subject": "Your order",
        "sent": True,
        "messageId": message_from_bytes(message)["Message-ID"],
    }


async def test_without_a_result_variable_the_process_scope_stays_clean(
    engine: Engine, mail_server: MailServer
) -> None:
    await engine.deploy(one_task_process("send-quietly", TASK_TYPE), "quiet.bpmn")
    given = variables(mail_server.smtp_port)
    async with serving(engine.address):
        instance = await engine.create_instance("send-quietly", given)
        assert await engine.completed(instance) == given


async def test_a_mail_refused_permanently_completes_the_job_with_sent_false(deployed: Engine) -> None:
    options = SmtpOptions(refused={RECIPIENT: "550 5.1.1 No such mailbox"})
    async with ScriptedSmtp(options=options) as server, serving(deployed.address):
        instance = await deployed.create_instance("send", variables(server.port))
        result = (await deployed.completed(instance))["mail"]
    assert result["sent"] is False
    assert result["refusedRecipients"] == [
        {"address": RECIPIENT, "code": 550, "message": "5.1.1 No such mailbox"}
    ]


async def test_a_job_waits_out_its_backoff_and_succeeds_once_the_server_is_back(
    start_engine: Callable[[], Awaitable[Engine]],
) -> None:
    engine = await start_engine()
    await engine.deploy(PROCESS, "send.bpmn")
    port = free_port()
    async with serving(engine.address, EMAIL_WORKER_RETRY_BACKOFF_SECONDS="3000"):
        instance = await engine.create_instance("send", variables(port))
        failure = await engine.job_event(instance, "FAILED")
        assert failure.retries == 2
        assert failure.error_message.startswith("CONNECTION_FAILED in email.smtp.send: ")
        assert 2400 <= failure.backoff_seconds <= 3600
        server = ScriptedSmtp()
        server.port = port
        async with server:
            await engine.increase_time(failure.backoff_seconds + 1)
            assert (await engine.completed(instance))["mail"]["sent"] is True
            assert len(server.accepted) == 1


@pytest.mark.parametrize("task_type", [TASK_TYPE, "io.camunda:email:1"])
async def test_another_worker_sends_to_the_recipients_still_missing_alone(
    task_type: str, start_engine: Callable[[], Awaitable[Engine]]
) -> None:
    """The job itself carries who has the email: the first worker is gone, and with it all that it knew."""
    engine = await start_engine()
    await engine.deploy(one_task_process("send", task_type, headers={"resultVariable": "mail"}), "send.bpmn")
    refused = {"later@example.com": "450 4.2.0 Greylisted"}
    recipients = ["now@example.com", "later@example.com"]
    async with (
        ScriptedSmtp(options=SmtpOptions(refused=refused)) as server,
        whole_gateway(engine.address) as address,
    ):
        given = variables(server.port, to=recipients)
        if task_type != TASK_TYPE:
            given = vendor_variables(server.port, to=recipients)
        settings = {"EMAIL_WORKER_RETRY_BACKOFF_SECONDS": "3000", "EMAIL_WORKER_VENDOR_TASK_TYPE": "true"}
        async with WorkerProcess.start(address, **settings):
            instance = await engine.create_instance("send", given)
            failure = await engine.job_event(instance, "FAILED")
        refused.clear()
        async with WorkerProcess.start(address, **settings):
            await engine.increase_time(failure.backoff_seconds + 1)
            result = await engine.completed(instance)

    assert failure.retries == 2
    assert "does not take later@example.com now: 450" in failure.error_message
    assert [mail.recipients for mail in server.accepted] == [["now@example.com"], ["later@example.com"]]
    assert len({message_from_bytes(mail.raw)["Message-ID"] for mail in server.accepted}) == 1
    assert result["mail"]["sent"] is True
    assert "emailDelivered" not in result


async def test_an_incident_retried_sends_to_the_recipients_still_missing_alone(deployed: Engine) -> None:
    refused = {"later@example.com": "450 4.2.0 Greylisted"}
    given = {
        **variables(0, to=["now@example.com", "later@example.com"]),
        "emailDelivered": "the process's own",
    }
    async with (
        ScriptedSmtp(options=SmtpOptions(refused=refused)) as server,
        whole_gateway(deployed.address) as address,
    ):
        given["server"]["port"] = server.port
        async with serving(address, EMAIL_WORKER_RETRY_BACKOFF_SECONDS="0"):
            instance = await deployed.create_instance("send", given)
            incident = await deployed.incident(instance)
        refused.clear()
        async with serving(address):
            await deployed.resolve(incident)
            result = await deployed.completed(instance)

    assert incident.message.startswith("RECIPIENT_REFUSED in email.smtp.send: ")
    assert "1 of 2 recipients have the email" in incident.message
    assert [mail.recipients for mail in server.accepted] == [["now@example.com"], ["later@example.com"]]
    assert result["emailDelivered"] == "the process's own"


async def test_bad_input_is_an_immediate_incident_that_names_the_field(deployed: Engine) -> None:
    async with serving(deployed.address):
        instance = await deployed.create_instance("send", variables(2525, tos="jane@example.com"))
        incident = await deployed.incident(instance)
    assert incident.message == (
        "INVALID_INPUT in email.smtp.send: parameters.tos is not a field of this operation;"
        " did you mean parameters.to?"
    )
    assert [event.retries for event in deployed.job_events(instance) if event.intent == "FAILED"] == [0]


async def test_a_missing_secret_is_an_incident_that_says_where_it_was_looked_for(deployed: Engine) -> None:
    given = variables(2525)
    given["authentication"] = {"username": "u", "password": "{{secrets.SMTP_PASSWORD}}"}
    async with serving(deployed.address):
        instance = await deployed.create_instance("send", given)
        incident = await deployed.incident(instance)
    assert incident.message == (
        "SECRET_NOT_FOUND in email.smtp.send: The secret SMTP_PASSWORD is not known to the worker;"
        " looked for the environment variable SECRET_SMTP_PASSWORD."
    )


async def test_a_secret_that_the_server_echoes_is_masked_in_the_incident(deployed: Engine) -> None:
    given = variables(0)
    given["authentication"] = {"username": "jane", "password": "{{secrets.SMTP_PASSWORD}}"}
    options = SmtpOptions(extensions=("AUTH PLAIN LOGIN",))
    faults = {
        SmtpStep.AUTH: say("535 5.7.8 hunter2-and-more is wrong, you sent AGphbmUAaHVudGVyMi1hbmQtbW9yZQ==")
    }
    async with (
        ScriptedSmtp(faults, options) as server,
        serving(deployed.address, SECRET_SMTP_PASSWORD="hunter2-and-more"),
    ):
        given["server"]["port"] = server.port
        instance = await deployed.create_instance("send", given)
        incident = await deployed.incident(instance)
    assert incident.message.startswith("AUTHENTICATION_FAILED in email.smtp.send: ")
    assert "hunter2" not in incident.message
    assert "AGphbmU" not in incident.message


SILENT_NAME_SERVERS = """
import socket, time

ask = socket.getaddrinfo

def getaddrinfo(host, *arguments, **named):
    if host == "silent.example.com":
        time.sleep(60)
    return ask(host, *arguments, **named)

socket.getaddrinfo = getaddrinfo
"""


async def test_name_servers_that_do_not_answer_delay_no_other_domain(
    deployed: Engine, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SILENT_NAME_SERVERS)
    environment = {"PYTHONPATH": str(tmp_path), "EMAIL_WORKER_CONNECT_TIMEOUT_SECONDS": "60"}
    async with ScriptedSmtp() as server, WorkerProcess.start(deployed.address, **environment):
        given = variables(25)
        silent = []
        for number in range(40):  # at most eight sessions are opened to a server at once
            given["server"] |= {"host": "silent.example.com", "port": 2525 + number // 8}
            silent.append(await deployed.create_instance("send", given))
        given["server"] |= {"host": "localhost", "port": server.port}
        instance = await deployed.create_instance("send", given)
        assert (await deployed.completed(instance))["mail"]["sent"] is True
    for instance in silent:
        await deployed.cancel_instance(instance)


async def test_two_hundred_instances_at_the_same_time_send_two_hundred_emails(deployed: Engine) -> None:
    async with (
        ScriptedSmtp() as server,
        serving(deployed.address, EMAIL_WORKER_MAX_JOBS="32", EMAIL_WORKER_MAX_JOBS_PER_SERVER="8"),
    ):
        instances = [
            await deployed.create_instance("send", variables(server.port, subject=f"mail {number}"))
            for number in range(200)
        ]
        results = await asyncio.gather(
            *(deployed.completed(instance, within_seconds=60) for instance in instances)
        )
        subjects = sorted(message_from_bytes(mail.raw)["Subject"] for mail in server.accepted)
    assert all(result["mail"]["sent"] for result in results)
    assert subjects == sorted(f"mail {number}" for number in range(200))
    assert server.connections <= 8


async def test_a_worker_outlives_its_engine(start_engine: Callable[[], Awaitable[Engine]]) -> None:
    engine = await start_engine()
    async with ScriptedSmtp() as server, serving(engine.address):
        await engine.deploy(PROCESS, "send.bpmn")
        first = await engine.create_instance("send", variables(server.port, subject="before"))
        await engine.completed(first)
        await engine.kill()
        await engine.restart()
        await engine.deploy(PROCESS, "send.bpmn")
        second = await engine.create_instance("send", variables(server.port, subject="after"))
        await engine.completed(second)
        subjects = [message_from_bytes(mail.raw)["Subject"] for mail in server.accepted]
    assert subjects == ["before", "after"]


async def test_a_worker_that_starts_before_its_engine_waits_for_it(
    start_engine: Callable[[], Awaitable[Engine]],
) -> None:
    engine = await start_engine()
    await engine.kill()
    async with ScriptedSmtp() as server, WorkerProcess.start(engine.address) as worker:
        await worker.logged("gateway_unreachable")
        await engine.restart()
        await worker.logged("gateway_reconnected")
        await engine.deploy(PROCESS, "send.bpmn")
        instance = await engine.create_instance("send", variables(server.port))
        assert (await engine.completed(instance))["mail"]["sent"] is True


async def test_sigterm_lets_a_send_finish_and_takes_no_new_job(deployed: Engine) -> None:
    may_answer = asyncio.Event()
    faults = {SmtpStep.ANSWER: sequence(wait_for(may_answer), say("250 2.0.0 Accepted"))}
    async with ScriptedSmtp(faults) as server, WorkerProcess.start(deployed.address) as worker:
        running = await deployed.create_instance("send", variables(server.port, subject="running"))
        await server.heard("DATA")
        worker.signal(signal.SIGTERM)
        await worker.logged("worker_stopping")
        late = await deployed.create_instance("send", variables(server.port, subject="late"))
        may_answer.set()
        assert (await deployed.completed(running))["mail"]["sent"] is True
        assert await worker.ended() == 0
        assert len(server.accepted) == 1
    assert [event.intent for event in deployed.job_events(late)] == ["CREATED"]
    await deployed.cancel_instance(late)


async def test_after_the_grace_a_job_goes_back_with_its_retries(deployed: Engine) -> None:
    async with (
        ScriptedSmtp({SmtpStep.EHLO: hang()}) as server,
        WorkerProcess.start(deployed.address, EMAIL_WORKER_SHUTDOWN_GRACE_SECONDS="0.1") as worker,
    ):
        instance = await deployed.create_instance("send", variables(server.port))
        await server.heard("EHLO")
        worker.signal(signal.SIGTERM)
        failure = await deployed.job_event(instance, "FAILED")
        assert await worker.ended() == 0
    assert failure.retries == 3
    assert failure.backoff_seconds == 0
    await deployed.cancel_instance(instance)


async def test_a_mail_whose_answer_is_cut_off_by_the_shutdown_is_not_sent_again(deployed: Engine) -> None:
    accepted = asyncio.Event()

    async def note_acceptance(_: Dialogue) -> None:
        accepted.set()

    async with (
        ScriptedSmtp({SmtpStep.ANSWER: sequence(note_acceptance, hang())}) as server,
        WorkerProcess.start(deployed.address, EMAIL_WORKER_SHUTDOWN_GRACE_SECONDS="0.1") as worker,
    ):
        instance = await deployed.create_instance("send", variables(server.port))
        await asyncio.wait_for(accepted.wait(), 30)
        worker.signal(signal.SIGTERM)
        incident = await deployed.incident(instance)
        assert await worker.ended() == 0
    assert incident.message.startswith("SEND_OUTCOME_UNKNOWN in email.smtp.send: ")
    assert len(server.accepted) == 1


async def test_a_second_signal_stops_the_worker_immediately(deployed: Engine) -> None:
    async with (
        ScriptedSmtp({SmtpStep.EHLO: hang()}) as server,
        WorkerProcess.start(deployed.address, EMAIL_WORKER_SHUTDOWN_GRACE_SECONDS="3600") as worker,
    ):
        instance = await deployed.create_instance("send", variables(server.port))
        await server.heard("EHLO")
        worker.signal(signal.SIGTERM)
        await worker.logged("worker_stopping")
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 128 + signal.SIGTERM
    await deployed.cancel_instance(instance)
