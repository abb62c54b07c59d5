"""`email-worker deploy`, `start` and `sandbox`, against the real engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from testkit.bpmn import calling_process, one_task_process
from testkit.processes import free_port
from testkit.workers import serving

from worker.sandbox.rest import rest_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.sandbox import Engine, MailServer

ONE_TASK = Path(__file__).with_name("one_task.bpmn")


async def email_worker(engine: Engine, *arguments: str, **environment: str) -> tuple[int | None, str]:
    """Run a command of the worker's command line; gives its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", *arguments),
        env={**os.environ, "ZEEBE_ADDRESS": engine.address, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_a_process_is_deployed_and_started_with_its_variables(engine: Engine, tmp_path: Path) -> None:
    bpmn = tmp_path / "from-shell.bpmn"
    bpmn.write_bytes(one_task_process("from-shell", "nobody.serves.this"))
    variables = tmp_path / "variables.json"
    variables.write_text(json.dumps({"subject": "Grüße"}), "utf-8")

    assert await email_worker(engine, "deploy", str(bpmn)) == (0, "from-shell.bpmn is deployed.\n")
    code, said = await email_worker(engine, "start", "from-shell", "--variables", str(variables))

    instance = re.fullmatch(r"Instance (\d+) has started\.\n", said)
    assert code == 0
    assert instance is not None
    key = int(instance[1])
    await engine.job_event(key, "CREATED")
    assert engine.variables(key) == {"subject": "Grüße"}
    await engine.cancel_instance(key)


async def test_a_process_that_is_not_deployed_is_named_in_one_sentence(engine: Engine) -> None:
    code, said = await email_worker(engine, "start", "no-such-process")
    assert code == 1
    assert "no-such-process" in said
    assert "Traceback" not in said


async def test_a_file_that_is_no_process_is_refused_with_the_engines_reason(
    engine: Engine, tmp_path: Path
) -> None:
    bpmn = tmp_path / "broken.bpmn"
    bpmn.write_text("<bpmn/>")
    code, said = await email_worker(engine, "deploy", str(bpmn))
    assert code == 1
    assert "broken.bpmn" in said
    assert "Traceback" not in said


def letter(mail_server: MailServer, **parameters: str) -> list[str]:
    """The process variables of an email, as options of `start`."""
    sent = {"from": "a@example.com", "to": "alice@example.com", "subject": "Grüße", "body": "b", **parameters}
    server = {"host": mail_server.host, "port": mail_server.smtp_port, "cryptographicProtocol": "NONE"}
    options = ["--set", "authentication.type=noAuth", "--set", f"server={json.dumps(server)}"]
    return [
        *options,
        *(word for name, value in sent.items() for word in ("--set", f"parameters.{name}={value}")),
    ]


@pytest.mark.parametrize("has_rest_api", [True, False])
async def test_start_waits_for_the_end_and_prints_the_variables(
    engine: Engine, has_rest_api: bool, tmp_path: Path
) -> None:
    await engine.deploy(ONE_TASK)
    file = tmp_path / "variables.json"
    file.write_text(json.dumps({"skipped": False, "order": {"id": 7}}))
    given = ("--variables", str(file), "--set", "skipped=true", "--set", "order.name=Grüße", "--set", "n=[1]")
    port = free_port()
    async with rest_api(engine, "127.0.0.1", port):
        rest = {"ZEEBE_REST_ADDRESS": f"http://127.0.0.1:{port}"} if has_rest_api else {}
        code, said = await email_worker(engine, "start", "one-task", *given, "--wait", **rest)
    assert code == 0, said
    assert json.loads(said) == {"skipped": True, "order": {"id": 7, "name": "Grüße"}, "n": [1]}


async def test_start_waits_for_an_incident_and_prints_its_text_with_exit_code_1(
    engine: Engine, mail_server: MailServer
) -> None:
    await engine.deploy(one_task_process("waited-for", "waited.email.smtp.send"), "waited-for.bpmn")
    port = free_port()
    async with (
        rest_api(engine, "127.0.0.1", port),
        serving(engine.address, EMAIL_WORKER_TASK_TYPE_PREFIX="waited"),
    ):
        rest = {"ZEEBE_REST_ADDRESS": f"http://127.0.0.1:{port}"}
        options = letter(mail_server, to="nobody")
        code, said = await email_worker(engine, "start", "waited-for", *options, "--wait", **rest)
        assert code == 1
        assert "has an incident at task: INVALID_INPUT in waited.email.smtp.send: parameters.to" in said
        code, said = await email_worker(engine, "start", "waited-for", *letter(mail_server), "--wait", **rest)
        assert code == 0, said


@pytest.mark.parametrize("has_rest_api", [True, False])
async def test_start_does_not_wait_longer_than_it_is_told_to(engine: Engine, has_rest_api: bool) -> None:
    await engine.deploy(ONE_TASK)
    port = free_port()
    async with rest_api(engine, "127.0.0.1", port):
        rest = {"ZEEBE_REST_ADDRESS": f"http://127.0.0.1:{port}"} if has_rest_api else {}
        given = ("--set", "skipped=false", "--wait", "--timeout", "1")
        code, said = await email_worker(engine, "start", "one-task", *given, **rest)
    assert code == 1
    assert "has not ended within 1 s" in said
    assert ("set ZEEBE_REST_ADDRESS to see its incidents" in said) != has_rest_api


async def test_an_incident_of_a_called_process_ends_the_wait_for_the_calling_one(engine: Engine) -> None:
    await engine.deploy(one_task_process("called", "=nothing"), "called.bpmn")
    await engine.deploy(calling_process("calling", "called"), "calling.bpmn")
    port = free_port()
    async with rest_api(engine, "127.0.0.1", port):
        rest = {"ZEEBE_REST_ADDRESS": f"http://127.0.0.1:{port}"}
        code, said = await email_worker(engine, "start", "calling", "--wait", **rest)
    assert code == 1
    assert "has an incident at task: Expected result of the expression 'nothing'" in said


@asynccontextmanager
async def strange_rest_api(*paths: str) -> AsyncIterator[str]:
    """A server that answers as Camunda does at these paths, and at no other."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"gatewayVersion": "8.8.0"})

    application = web.Application()
    application.add_routes([web.get(path, answer) for path in paths])
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def test_nothing_is_started_if_the_rest_api_that_is_set_is_away(engine: Engine) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    code, said = await email_worker(engine, "start", "never", "--wait", ZEEBE_REST_ADDRESS=address)
    assert code == 1
    assert said.startswith(f"The REST API at {address}/v2 cannot be reached: ")
    assert said.endswith("; check ZEEBE_REST_ADDRESS.\n")


async def test_nothing_is_started_if_something_else_is_at_the_address_of_the_rest_api(engine: Engine) -> None:
    async with strange_rest_api() as address:
        code, said = await email_worker(engine, "start", "never", "--wait", ZEEBE_REST_ADDRESS=address)
    assert (code, said) == (
        1,
        f"There is no REST API of Camunda at {address}/v2; check ZEEBE_REST_ADDRESS.\n",
    )


async def test_a_rest_api_that_does_not_know_the_instance_is_named_as_the_cause(engine: Engine) -> None:
    await engine.deploy(ONE_TASK)
    async with strange_rest_api("/v2/topology") as address:
        given = ("--set", "skipped=true", "--wait", "--timeout", "1")
        code, said = await email_worker(engine, "start", "one-task", *given, ZEEBE_REST_ADDRESS=address)
    assert code == 1
    assert "has started, but the REST API does not know it after 1 s; ZEEBE_REST_ADDRESS must be" in said


@pytest.mark.parametrize("command", [("deploy", str(ONE_TASK)), ("start", "x"), ("start", "x", "--wait")])
async def test_a_gateway_that_is_away_is_told_of_as_check_does(
    engine: Engine, command: tuple[str, ...]
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    code, said = await email_worker(engine, *command, ZEEBE_ADDRESS=nowhere)
    assert code == 1
    assert said.startswith(f"The gateway {nowhere} cannot be reached or refuses the credentials (UNAVAILABLE")
    assert said.endswith("; check ZEEBE_ADDRESS, the TLS settings and the credentials.\n")


async def test_run_refuses_to_start_without_the_directory_of_its_secrets(
    engine: Engine, tmp_path: Path
) -> None:
    missing = str(tmp_path / "secrets")
    code, said = await email_worker(engine, "run", EMAIL_WORKER_SECRETS_DIR=missing)
    assert (code, said) == (1, f"EMAIL_WORKER_SECRETS_DIR: {missing} does not exist.\n")
