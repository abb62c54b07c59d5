"""Every command of the documentation runs as it is written."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from testkit.block_rules import Shell, all_rules
from testkit.documents import ROOT

if TYPE_CHECKING:
    from testkit.block_rules import Call
    from testkit.mail_servers import MailServers

    from worker.sandbox import Engine

# These serve until they are told to stop; what they say when they are ready.
LASTING = {"run": "worker_started", "sandbox": "Press Ctrl-C"}
# The gate runs these, and the tests of containers run what stands at the head of docker-compose.yml.
BY_THE_GATE = re.compile(r"make [a-z-]+")
BY_CONTAINERS = re.compile(r"docker compose .+")


@dataclass(frozen=True)
class Command:
    """One line of a block for a shell, without its comment."""

    text: str
    place: str
    call: Call | None


def commands() -> list[Command]:
    """Every line of every block for a shell; a line that ends in a backslash goes on in the next."""
    found = []
    for rule in all_rules():
        if isinstance(rule, Shell):
            joined = rule.block.text.replace("\\\n", " ")
            lines = [shlex.join(shlex.split(line, comments=True)) for line in joined.splitlines()]
            found += [Command(line, rule.block.place, rule.call) for line in lines if line]
    return found


COMMANDS = commands()
EMAIL_WORKER = [command for command in COMMANDS if command.text.startswith("email-worker ")]
MAKE = [command for command in COMMANDS if BY_THE_GATE.fullmatch(command.text)]
COMPOSE = [command for command in COMMANDS if BY_CONTAINERS.fullmatch(command.text)]


def ids(commands: list[Command]) -> list[str]:
    return [f"{command.place} {command.text}" for command in commands]


def test_every_command_is_run_by_a_rule() -> None:
    assert [command for command in COMMANDS if command not in [*EMAIL_WORKER, *MAKE, *COMPOSE]] == []


@pytest.mark.parametrize("command", MAKE, ids=ids(MAKE))
def test_a_target_is_in_the_makefile_and_run_by_the_gate(command: Command) -> None:
    target = command.text.removeprefix("make ")
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert re.search(rf"^make {target}$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", COMPOSE, ids=ids(COMPOSE))
def test_a_compose_command_is_one_that_the_tests_of_containers_run(command: Command) -> None:
    assert f"#   {command.text}\n" in (ROOT / "docker-compose.yml").read_text()
    assert 'line.startswith("#   docker compose ")' in (
        ROOT / "tests" / "container" / "test_compose.py"
    ).read_text("utf-8")


@pytest.mark.parametrize("command", EMAIL_WORKER, ids=ids(EMAIL_WORKER))
async def test_a_command_of_the_worker_ends_well(
    command: Command, engine: Engine, mail_servers: MailServers, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    environment = {"ZEEBE_ADDRESS": engine.address, "EMAIL_WORKER_HEALTH_PORT": "0"}
    async with AsyncExitStack() as running:
        if command.call is not None:
            example = await running.enter_async_context(
                mail_servers.example(command.call.task_type, command.call.variables)
            )
            environment |= example.environment
            file = re.search(r"--variables (\S+)", command.text)
            assert file is not None
            (tmp_path / file[1]).write_text(json.dumps(example.variables))
        code, output = await execute(command.text, environment, tmp_path)
    assert code == 0, output


async def execute(command: str, environment: dict[str, str], directory: Path) -> tuple[int | None, str]:
    """Run a command as a shell does; one that lasts is told to stop as soon as it is ready."""
    words = shlex.split(command)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=directory,
        env=os.environ | environment | {"PATH": path, "EMAIL_WORKER_LOG_FORMAT": "json"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            output = ""
            if ready := LASTING.get(words[1]):
                output = await read_until(process, ready)
                process.send_signal(signal.SIGTERM)
            rest, _ = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    return process.returncode, output + rest.decode()


async def read_until(process: asyncio.subprocess.Process, text: str) -> str:
    output = ""
    assert process.stdout is not None
    async for line in process.stdout:
        output += line.decode()
        if text in output:
            return output
    raise AssertionError(f"{text!r} was never said: {output}")
