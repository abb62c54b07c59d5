"""Every command of the documentation runs as it is written, those of one block one after the other."""

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
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from testkit.block_rules import Shell, all_rules, commands_of
from testkit.pages import ROOT

if TYPE_CHECKING:
    from testkit.mail_servers import MailServers

    from worker.sandbox import Engine

# These serve until they are told to stop; what they say when they are ready.
LASTING = {"run": "worker_started", "sandbox": "Press Ctrl-C"}
SHELLS = [rule for rule in all_rules() if isinstance(rule, Shell)]


def lines(rule: Shell, program: str = "") -> list[str]:
    """The commands of a block that begin with this program."""
    return [command for command in commands_of(rule.block) if command.startswith(program)]


def all_lines(program: str) -> list[str]:
    return sorted({line for rule in SHELLS for line in lines(rule, program)})


def test_every_command_is_run_by_a_rule() -> None:
    programs = ("email-worker ", "make ", "docker compose ")
    assert [line for line in all_lines("") if not line.startswith(programs)] == []


@pytest.mark.parametrize("command", all_lines("make "))
def test_a_target_is_in_the_makefile_and_run_by_the_gate(command: str) -> None:
    target = command.removeprefix("make ")
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert re.search(rf"^make {target}$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", all_lines("docker compose "))
def test_a_compose_command_is_one_that_the_tests_of_containers_run(command: str) -> None:
    runs_them = (ROOT / "tests" / "container" / "test_compose.py").read_text("utf-8")
    assert f"#   {command}\n" in (ROOT / "docker-compose.yml").read_text("utf-8")
    assert 'line.startswith("#   docker compose ")' in runs_them


OURS = [rule for rule in SHELLS if lines(rule, "email-worker ")]


@pytest.mark.xdist_group("sandbox")
@pytest.mark.parametrize("rule", OURS, ids=[rule.block.place for rule in OURS])
async def test_the_commands_of_the_worker_end_well(
    rule: Shell, engine: Engine, mail_servers: MailServers, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    environment = {"ZEEBE_ADDRESS": engine.address, "EMAIL_WORKER_HEALTH_PORT": "0"}
    async with AsyncExitStack() as running:
        if rule.call is not None:
            called = mail_servers.example(rule.call.task_type, rule.call.variables)
            example = await running.enter_async_context(called)
            environment |= example.environment
            file = re.search(r"--variables (\S+)", rule.block.text)
            assert file is not None
            (tmp_path / file[1]).write_text(json.dumps(example.variables))
        for command in lines(rule, "email-worker "):
            code, output = await execute(command, environment, tmp_path)
            assert code == 0, f"{command}: {output}"


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
