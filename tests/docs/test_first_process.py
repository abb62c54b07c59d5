"""docs/first-process.md, from its first command to its last, in one directory, as a reader does it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from testkit.block_rules import commands_of
from testkit.pages import ROOT, read_blocks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE = ROOT / "docs" / "first-process.md"
# The ports that the page names, with what the sandbox says before each: another may be taken here.
PORTS = {"26500": "ZEEBE_ADDRESS=127.0.0.1:", "8080": "ZEEBE_REST_ADDRESS=http://127.0.0.1:"}
PORTS |= {"3025": "SMTP ", "3143": "IMAP "}
READY = {"run": "worker_started", "sandbox": "Press Ctrl-C"}


class Reader:
    """Does what the page says. A worker runs until another is started, the sandbox until the end."""

    def __init__(self, directory: Path, running: AsyncExitStack) -> None:
        self._directory = directory
        self._running = running
        self._ports: dict[str, str] = {}
        self._worker: asyncio.subprocess.Process | None = None
        self.code: int | None = None
        self.printed = ""

    def write(self, name: str, text: str) -> None:
        (self._directory / name).write_text(self._adapted(text))

    async def run(self, command: str) -> None:
        words = shlex.split(self._adapted(command))
        if words[1] == "run" and self._worker is not None:
            self._worker.send_signal(signal.SIGINT)
            assert await self._worker.wait() == 0
        process = await self._running.enter_async_context(started(words, self._directory))
        if words[1] in READY:
            said = await until(process, READY[words[1]])
            self._ports |= ports_in(said) if words[1] == "sandbox" else {}
            self._worker = process if words[1] == "run" else None
        else:
            async with asyncio.timeout(120):
                output, _ = await process.communicate()
            self.code, self.printed = process.returncode, output.decode()

    def _adapted(self, text: str) -> str:
        return re.sub(r"\d+", lambda number: self._ports.get(number[0], number[0]), text)


@asynccontextmanager
async def started(words: list[str], directory: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    ours = ("EMAIL_WORKER_", "ZEEBE_", "CAMUNDA_", "SECRET_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    cache = {name: value for name, value in os.environ.items() if name == "EMAIL_WORKER_SANDBOX_CACHE"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=directory,
        env={**environment, **cache, "PATH": path, "EMAIL_WORKER_HEALTH_PORT": "0"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def until(process: asyncio.subprocess.Process, text: str) -> str:
    said = ""
    assert process.stdout is not None
    async with asyncio.timeout(120):
        async for line in process.stdout:
            said += line.decode()
            if text in said:
                return said
    raise AssertionError(f"{text!r} was never said: {said}")


def ports_in(said: str) -> dict[str, str]:
    found = {usual: re.search(rf"{re.escape(before)}(\d+)", said) for usual, before in PORTS.items()}
    return {usual: match[1] for usual, match in found.items() if match is not None}


@pytest.mark.xdist_group("sandbox")
async def test_every_command_of_the_first_process_does_what_the_page_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    async with AsyncExitStack() as running:
        reader = Reader(tmp_path, running)
        blocks = read_blocks(PAGE)
        for number, block in enumerate(blocks):
            if block.language == "sh":
                for command in commands_of(block):
                    await reader.run(command)
                    follower = blocks[number + 1] if number + 1 < len(blocks) else None
                    fails = follower is not None and follower.title == "Printed"
                    assert reader.code in (None, int(fails)), f"{command}: {reader.printed}"
            elif block.title == "Printed":
                assert without_keys(reader.printed) == without_keys(block.text)
            elif block.title != ".env" or "127.0.0.1" in block.text:
                reader.write(block.title, block.text)
            if block.language == "sh" and "--set subject=Again" in block.text:
                assert json.loads(reader.printed)["mail"]["sent"] is True
            if block.language == "sh" and "email.imap.list" in block.text:
                assert [email["subject"] for email in json.loads(reader.printed)] == ["Again"]


def without_keys(text: str) -> str:
    return re.sub(r"\d{16}", "KEY", text)
