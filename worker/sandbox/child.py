"""The parent's end: a child process that answers requests and ends with its parent, and what runs in it."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, ClassVar, Self

from worker.sandbox.errors import SandboxError

_LONGEST_LINE_BYTES = 256 * 1024 * 1024
_START_SECONDS = 60.0
_ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Listener:
    """Callbacks for messages of a service that are no answers, and for its end."""

    on_event: Callable[[Any], None] = lambda _event: None
    on_end: Callable[[SandboxError], None] = lambda _error: None


class Child:
    """One service of worker.sandbox.java in its own process. Make it with `Child.start`."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, log: IO[bytes], listener: Listener
    ) -> None:
        self._name = name
        self._process = process
        self._log = log
        self._listener = listener
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read(), name=f"sandbox {name}")

    @classmethod
    async def start(cls, name: str, arguments: dict[str, Any], listener: Listener) -> Child:
        """Start the process and wait until its service is ready."""
        log = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - open as long as the process; kill closes it
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker.sandbox.java", name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=_LONGEST_LINE_BYTES,
            start_new_session=True,  # Ctrl-C is the parent's: it ends its children itself
        )
        child = cls(name, process, log, listener)
        try:
            await child.ask("start", within_seconds=_START_SECONDS, **arguments)
        except BaseException:
            await child.kill()
            raise
        return child

    @property
    def pid(self) -> int:
        """The process that `kill` kills."""
        return self._process.pid

    async def ask(self, method: str, *, within_seconds: float = _ANSWER_SECONDS, **arguments: Any) -> Any:
        """Call a method of the service; a refusal, a silence and an end are SandboxErrors."""
        self.check()
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        request = json.dumps({"id": number, "method": method, "arguments": arguments})
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        try:
            self._process.stdin.write(request.encode() + b"\n")
            async with asyncio.timeout(within_seconds):
                outcome = await answer
        except TimeoutError as error:
            raise SandboxError(
                f"The {self._name} did not answer {method} in {within_seconds:g} s."
            ) from error
        finally:
            del self._waiting[number]
        if "error" in outcome:
            raise SandboxError(f"The {self._name} refused {method}: {outcome['error']}{self._printed()}")
        return outcome["result"]

    def check(self) -> None:
        """Raises SandboxError, with the last lines that the process printed, if it has ended."""
        if self._reading.done():
            raise SandboxError(self._ended())

    async def kill(self) -> None:
        """Kill the process."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading
        self._log.close()

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        async for line in self._process.stdout:
            message = json.loads(line)
            if "event" in message:
                self._listener.on_event(message["event"])
            elif message["id"] in self._waiting:
                self._waiting[message["id"]].set_result(message)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(SandboxError(self._ended()))
        self._listener.on_end(SandboxError(self._ended()))

    def _ended(self) -> str:
        if self._log.closed:
            return f"The {self._name} has been stopped."
        return f"The {self._name} has ended{self._printed()}"

    def _printed(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        # Java's logging says at each start that it has nowhere to log; a stack's lines are indented.
        lines = [line for line in lines if not line.startswith(("SLF4J", "\t"))]
        return f"; its last lines: {' | '.join(lines[-3:])}" if lines else ""


class Service(ABC):
    """What runs in a child process while its block runs, and can be killed and run again.

    Nothing in it outlives the process.
    """

    name: ClassVar[str]

    def __init__(self) -> None:
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """The process."""
        return self._running.pid

    def check(self) -> None:
        """Raises SandboxError if the service has ended."""
        self._running.check()

    @abstractmethod
    async def restart(self) -> None:
        """Run a new process in place of this one."""

    async def __aenter__(self) -> Self:
        await self.restart()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def kill(self) -> None:
        """Kill the process (SIGKILL), as a crash would. Its data is lost."""
        if self._child is not None:
            await self._child.kill()
            self._child = None

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise SandboxError(f"The {self.name} is not running: restart it first.")
        return self._child
