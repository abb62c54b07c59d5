"""The connector contract on the real engine: what the task headers make of a job."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from testkit.bpmn import one_task_process
from testkit.processes import free_port
from testkit.scripted_server import say, sequence, wait_for
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep
from testkit.workers import serving

from worker.sandbox import Engine, Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_numbers = itertools.count(1)


async def start(
    engine: Engine, port: int, headers: Mapping[str, str], *, boundary_error: str | None = None
) -> int:
    """Deploy a process of this test's own with these headers and run one instance of it."""
    process_id = f"contract-{next(_numbers)}"
    process = one_task_process(process_id, "email.smtp.send", headers=headers, boundary_error=boundary_error)
    await engine.deploy(process, f"{process_id}.bpmn")
    variables = {
        "authentication": {"type": "noAuth"},
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": {"from": "a@example.com", "to": "b@example.com", "subject": "Hi", "body": "Ho"},
    }
    return await engine.create_instance(process_id, variables)


def made(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the job added to the variables that the instance was started with."""
    return {n: v for n, v in variables.items() if n not in {"authentication", "server", "parameters"}}


async def caught_variable(engine: Engine, instance: int, name: str) -> Any:
    """The variable as the boundary event has it: where it goes from there is the diagram's to say."""

    def is_it(record: Record) -> str | None:
        is_variable = record.value_type == "VARIABLE" and record.value["name"] == name
        return record.value["value"] if is_variable else None

    await engine.wait_until(instance, lambda record: record.value.get("elementId") == "caught" or None)
    return json.loads(await engine.wait_until(instance, is_it))


async def test_variable_and_expression_together_give_both(engine: Engine) -> None:
    headers = {"resultVariable": "mail", "resultExpression": "={done: sent, about: response.subject}"}
    async with ScriptedSmtp() as server, serving(engine.address):
        result = made(await engine.completed(await start(engine, server.port, headers)))
    assert result["done"] is True
    assert result["about"] == "Hi"
    assert result["mail"]["sent"] is True


async def test_an_expression_alone_gives_its_entries_alone(engine: Engine) -> None:
    headers = {"resultExpression": "={done: sent}"}
    async with ScriptedSmtp() as server, serving(engine.address):
        assert made(await engine.completed(await start(engine, server.port, headers))) == {"done": True}


@pytest.mark.parametrize(
    ("header", "value", "named"),
    [
        ("resultExpression", "={a: }", "line 1, column"),
        ("errorExpression", "=if then", "line 1, column"),
        ("errorExpression", '=if sent then null else bpmError("X")', "There is no function 'bpmError'"),
        ("errorExpression", "=if sent then null else bpmnError()", "does not take 0 argument(s)"),
        ("resultVarible", "mail", "did you mean resultVariable?"),
        ("retryBackoff", "soon", "ISO 8601"),
        ("jobTimeout", "10 minutes", "ISO 8601"),
    ],
)
async def test_a_bad_header_fails_the_job_before_anything_is_sent(
    engine: Engine, header: str, value: str, named: str
) -> None:
    async with ScriptedSmtp() as server, serving(engine.address):
        incident = await engine.incident(await start(engine, server.port, {header: value}))
        assert server.connections == 0
    assert incident.message.startswith(f"INVALID_INPUT in email.smtp.send: The header {header} ")
    assert named in incident.message


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("=response.subject", "EXPRESSION_FAILED in email.smtp.send: The header resultExpression must give"),
        ("={all: for i in 1..2000 return 1}", "RESULT_TOO_LARGE in email.smtp.send: The result of"),
    ],
)
async def test_a_result_that_cannot_be_used_is_an_incident_that_says_that_the_email_is_sent_once(
    expression: str, said: str, engine: Engine
) -> None:
    async with ScriptedSmtp() as server, serving(engine.address, EMAIL_WORKER_MAX_RESULT_BYTES="1000"):
        instance = await start(engine, server.port, {"resultExpression": expression})
        incident = await engine.incident(instance)
        assert incident.message.startswith(said)
        assert "the email is already sent, moved or deleted, and this is not repeated" in incident.message
        await engine.resolve(incident)
        await engine.job_event(instance, "FAILED", count=2)
        assert len(server.accepted) == 1
        await engine.cancel_instance(instance)


async def test_a_misspelt_variable_of_a_job_is_named(engine: Engine) -> None:
    process = one_task_process("misspelt", "email.smtp.send")
    await engine.deploy(process, "misspelt.bpmn")
    variables = {"server": {"host": "127.0.0.1"}, "parametres": {"subject": "Hi"}}
    async with serving(engine.address):
        incident = await engine.incident(await engine.create_instance("misspelt", variables))
    assert "parameters is missing, but there is parametres; did you mean parameters?" in incident.message


@pytest.mark.parametrize(
    "arguments",
    [
        '"NOT_SENT", "refused", {reason}',
        'code: "NOT_SENT", variables: {reason}',
        'errorCode: "NOT_SENT", errorMessage: "refused", variables: {reason}',
    ],
)
async def test_a_bpmn_error_is_caught_by_a_boundary_event_with_its_variables(
    engine: Engine, arguments: str
) -> None:
    refused = SmtpOptions(refused={"b@example.com": "550 5.1.1 Nobody here"})
    given = arguments.replace("{reason}", "{reason: refusedRecipients[1].message}")
    headers = {"errorExpression": f"=if not(response.sent) then bpmnError({given}) else null"}
    async with ScriptedSmtp(options=refused) as server, serving(engine.address):
        instance = await start(engine, server.port, headers, boundary_error="NOT_SENT")
        await engine.completed(instance)
        assert await caught_variable(engine, instance, "reason") == "5.1.1 Nobody here"


async def test_a_failure_can_become_a_bpmn_error_too(engine: Engine) -> None:
    thrown = 'bpmnError("DOWN", error.message, {code: error.code})'
    headers = {"errorExpression": f'=if error.code = "CONNECTION_FAILED" then {thrown} else null'}
    async with serving(engine.address):
        instance = await start(engine, free_port(), headers, boundary_error="DOWN")
        await engine.completed(instance)
        assert await caught_variable(engine, instance, "code") == "CONNECTION_FAILED"


async def test_job_error_sets_retries_and_backoff(start_engine: Callable[[], Awaitable[Engine]]) -> None:
    engine = await start_engine()
    port = free_port()
    expression = '=if error != null then jobError("the desk is closed", {}, 7, @"PT40M") else null'
    async with serving(engine.address):
        instance = await start(engine, port, {"errorExpression": expression, "resultVariable": "mail"})
        failure = await engine.job_event(instance, "FAILED")
        assert (failure.retries, failure.error_message) == (7, "the desk is closed")
        assert failure.backoff_seconds == 2400
        server = ScriptedSmtp()
        server.port = port
        async with server:
            await engine.increase_time(2401)
            assert made(await engine.completed(instance))["mail"]["sent"] is True


async def test_ignore_error_completes_the_job_with_its_variables(engine: Engine) -> None:
    async with serving(engine.address):
        headers = {"errorExpression": "=ignoreError({skipped: error.code, left: job.retries})"}
        instance = await start(engine, free_port(), headers)
        assert made(await engine.completed(instance)) == {"skipped": "CONNECTION_FAILED", "left": 3}


async def test_an_error_expression_that_breaks_names_itself_and_the_failure(engine: Engine) -> None:
    async with serving(engine.address):
        headers = {
            "errorExpression": '=assert(error.variables.gone, error.variables.gone != null, "no such thing")'
        }
        incident = await engine.incident(await start(engine, free_port(), headers))
    expected = "EXPRESSION_FAILED in email.smtp.send: The header errorExpression cannot be evaluated"
    assert incident.message.startswith(expected)
    assert "CONNECTION_FAILED" in incident.message


async def test_retry_backoff_of_the_header_is_the_engines(engine: Engine) -> None:
    async with serving(engine.address):
        instance = await start(engine, free_port(), {"retryBackoff": "PT7M"})
        failure = await engine.job_event(instance, "FAILED")
        assert (failure.retries, failure.backoff_seconds) == (2, 420)
        await engine.cancel_instance(instance)


@pytest.mark.parametrize("job_timeout", ["PT0.6S", "PT1H"])
async def test_a_job_timeout_moves_the_deadline_and_the_work_is_done_once(
    engine: Engine, job_timeout: str
) -> None:
    may_answer = asyncio.Event()
    faults = {SmtpStep.ANSWER: sequence(wait_for(may_answer), say("250 2.0.0 Accepted"))}
    async with ScriptedSmtp(faults) as server, serving(engine.address):
        instance = await start(engine, server.port, {"jobTimeout": job_timeout, "resultVariable": "mail"})
        # Shorter than the work, it is moved again and again; longer, once.
        await engine.job_event(instance, "TIMEOUT_UPDATED", count=5 if job_timeout == "PT0.6S" else 1)
        may_answer.set()
        assert made(await engine.completed(instance))["mail"]["sent"] is True
        assert len(server.accepted) == 1
    assert "TIMED_OUT" not in [event.intent for event in engine.job_events(instance)]


async def test_a_job_cancelled_while_it_runs_is_dropped(engine: Engine) -> None:
    may_answer = asyncio.Event()
    faults = {SmtpStep.ANSWER: sequence(wait_for(may_answer), say("250 2.0.0 Accepted"))}
    async with ScriptedSmtp(faults) as server, serving(engine.address):
        instance = await start(engine, server.port, {"resultVariable": "mail"})
        await server.heard("DATA")
        await engine.cancel_instance(instance)
        may_answer.set()
        other = await start(engine, server.port, {"resultVariable": "mail"})
        assert made(await engine.completed(other))["mail"]["sent"] is True
        assert len(server.accepted) == 2
    assert [event.intent for event in engine.job_events(instance)][-1] == "CANCELED"
