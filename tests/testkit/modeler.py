"""Camunda Modeler's panel in a headless browser, and its packages from npm, pinned by a lock file."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from testkit.processes import cannot_run, find_program

HOME = Path(__file__).parent.parent / "modeler"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# The packages are modules that others `require`.
_OLDEST_NODE = (20, 19)
# A description of many kilobytes comes in one line.
_LINE_LIMIT = 16 * 1024 * 1024


def install_packages() -> Path:
    """Return Node, with the packages in place; the first call for a lock file fetches them."""
    node, npm = find_program("node", "nodejs"), find_program("npm", "npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, version.removeprefix("v").split(".")[:2])) < _OLDEST_NODE:
        cannot_run(f"Node {version} is too old for Modeler's packages")
    lock_file = HOME / "package-lock.json"
    wanted = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    stamp = HOME / "node_modules" / ".lock-hash"
    with (HOME / "package.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # test processes start together
        if not stamp.exists() or stamp.read_text() != wanted:
            subprocess.run([npm, "ci", "--silent"], cwd=HOME, check=True, timeout=300)
            stamp.write_text(wanted)
    return node


class Modeler:
    """One browser with one diagram at a time. Fields and choices go by the names that a person reads."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncIterator[Modeler]:
        """Start a browser and end it after the block."""
        node = await asyncio.to_thread(install_packages)
        if not any(map(shutil.which, _BROWSERS)):
            cannot_run("no Chromium is installed (Debian package chromium)")
        process = await asyncio.create_subprocess_exec(
            node,
            HOME / "session.mjs",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )
        try:
            yield cls(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()  # which ends it
            async with asyncio.timeout(30):
                await process.communicate()

    async def open(
        self,
        diagram: str,
        templates: Sequence[Mapping[str, Any]],
        element: str | None = None,
        template: str | None = None,
    ) -> None:
        """Open a diagram, choose an element if there is one to work on, and a template (by its id) for it."""
        await self._call("open", diagram=diagram, templates=templates, element=element, template=template)

    async def fill(self, values: Mapping[str, str]) -> None:
        """Type each value into the field with that label, or choose the choice of that name, in order."""
        await self._call("fill", values=values)

    @asynccontextmanager
    async def delayed(self, seconds: float) -> AsyncIterator[None]:
        """Let the page's frames and timers come late, as on a busy machine, within the block."""
        await self._call("delay", milliseconds=1000 * seconds)
        try:
            yield
        finally:
            await self._call("delay", milliseconds=0)

    async def fields(self) -> list[dict[str, Any]]:
        """All fields that are shown: group, label, value, placeholder, choices, description, error."""
        fields: list[dict[str, Any]] = await self._call("fields")
        return fields

    async def field(self, label: str) -> dict[str, Any]:
        """The field with this label."""
        return next(field for field in await self.fields() if field["label"] == label)

    async def lint(self) -> list[str]:
        """What Modeler's problems panel says of the diagram."""
        problems: list[str] = await self._call("lint")
        return problems

    async def offered(self, element: str) -> list[str]:
        """The names of the templates that the menus offer for an element."""
        names: list[str] = await self._call("offered", element=element)
        return names

    async def xml(self) -> str:
        """The diagram as Modeler saves it."""
        return str(await self._call("xml"))

    async def _call(self, command: str, **options: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **options}).encode() + b"\n")
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the browser ended during {command}")
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(f"{command}: {answer['error']}")
        return answer["result"]
