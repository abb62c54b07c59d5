"""A server that says exactly what a test's script tells it to, for the faults no real server shows.

    async with ScriptedServer([say("+OK ready"), expect("USER", "+OK"), expect("PASS", "-ERR no")]) as server:
        ...
        assert server.commands == ["USER ann", "PASS s3cret"]

A script is a list of steps; a step is an async function of the dialogue, so a test can write its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self, TypeAlias

from testkit.listening import HERE, listening

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence
    from types import TracebackType

LIMIT_SECONDS = 60


class DialogueOver(Exception):
    """The connection ended, by either side."""


class Dialogue:
    """One connection, from the server's side."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Callable[[str], None]
    ) -> None:
        self.commands: list[str] = []
        self._reader = reader
        self._writer = writer
        self._heard = heard
        self._is_in_handshake = False

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise DialogueOver from error

    async def say(self, text: str) -> None:
        """Send text as UTF-8 and a line end; `{tag}` in it is the tag of the IMAP command at hand."""
        tag = self.commands[-1].split(" ")[0] if self.commands else "*"
        await self.send(text.replace("{tag}", tag).encode() + b"\r\n")

    async def read_line(self) -> bytes:
        """The client's next line with its line end."""
        try:
            return await self._reader.readuntil(b"\n")
        except (OSError, asyncio.IncompleteReadError) as error:
            raise DialogueOver from error

    async def read_command(self) -> str:
        """The client's next line without its line end, and remember it."""
        command = (await self.read_line()).decode("utf-8", "surrogateescape").rstrip("\r\n")
        self.commands.append(command)
        self._heard(command)
        return command

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Become the server's side of a TLS connection."""
        self._is_in_handshake = True
        try:
            await self._writer.start_tls(context)
        except OSError as error:
            raise DialogueOver from error
        self._is_in_handshake = False

    async def wait_for_the_end(self) -> None:
        """Say nothing more, until the client closes."""
        with contextlib.suppress(OSError):
            while await self._reader.read(65536):
                pass
        raise DialogueOver

    async def close(self) -> None:
        """End the connection in order (FIN)."""
        self._writer.close()
        # The end of a connection that fails in its handshake is not reported to the stream (Python 3.11).
        if not self._is_in_handshake:
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def reset(self) -> None:
        """Break the connection (RST)."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Step: TypeAlias = Callable[[Dialogue], Awaitable[None]]


class ScriptedServer:
    """Plays the n-th script to the n-th connection, and the last one to all that follow.

    With `tls` the dialogue is encrypted from its first byte. `commands` are all lines that clients
    sent, in order. A command that the script did not expect is an AssertionError when the server ends.
    """

    host = HERE

    def __init__(self, *scripts: Sequence[Step], tls: ssl.SSLContext | None = None) -> None:
        self.commands: list[str] = []
        self.dialogues: list[Dialogue] = []
        self.failures: list[str] = []
        self.port = 0
        self._scripts = scripts
        self._tls = tls
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._listening = listening(self._accept, self.port)
        self.port = await self._listening.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listening.__aexit__(kind, error, trace)
        if error is None and self.failures:
            raise AssertionError("; ".join(self.failures))

    @property
    def connections(self) -> int:
        """How many clients have connected so far."""
        return len(self.dialogues)

    async def heard(self, prefix: str, times: int = 1) -> None:
        """Wait until that many commands have begun so, in any letter case."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while sum(line.upper().startswith(prefix.upper()) for line in self.commands) < times:
                self._news.clear()
                await self._news.wait()

    async def play(self, dialogue: Dialogue) -> None:
        """Hold one dialogue; a subclass may hold another."""
        script = self._scripts[min(self.connections, len(self._scripts)) - 1]
        if self._tls is not None:
            await dialogue.start_tls(self._tls)
        for step in script:
            await step(dialogue)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialogue = Dialogue(reader, writer, self._on_command)
        self.dialogues.append(dialogue)
        try:
            await self.play(dialogue)
        except DialogueOver:
            pass
        except AssertionError as failure:
            self.failures.append(str(failure))
        await dialogue.close()

    def _on_command(self, command: str) -> None:
        self.commands.append(command)
        self._news.set()


def say(*lines: str) -> Step:
    """Send these lines."""

    async def step(dialogue: Dialogue) -> None:
        for line in lines:
            await dialogue.say(line)

    return step


def expect(pattern: str, *answers: str) -> Step:
    """Take a command that begins with this pattern, in any letter case, and answer these lines."""

    async def step(dialogue: Dialogue) -> None:
        command = await dialogue.read_command()
        assert re.match(pattern, command, re.IGNORECASE), f"{command!r} came where {pattern!r} was expected"
        for answer in answers:
            await dialogue.say(answer)

    return step


def answer_all(answers: Mapping[str, str]) -> Step:
    """Answer each command by the first pattern that it begins with, until the client goes away."""

    async def step(dialogue: Dialogue) -> None:
        while True:
            command = await dialogue.read_command()
            known = [text for pattern, text in answers.items() if re.match(pattern, command, re.IGNORECASE)]
            assert known, f"{command!r} came, which the script does not answer"
            await dialogue.say(known[0])

    return step


def sequence(*steps: Step) -> Step:
    """Several steps as one."""

    async def step(dialogue: Dialogue) -> None:
        for part in steps:
            await part(dialogue)

    return step


def start_tls(context: ssl.SSLContext) -> Step:
    """Encrypt from here on."""
    return lambda dialogue: dialogue.start_tls(context)


def hang() -> Step:
    """Stay connected and say nothing more."""
    return lambda dialogue: dialogue.wait_for_the_end()


def close() -> Step:
    """End the connection in order."""

    async def step(dialogue: Dialogue) -> None:
        await dialogue.close()
        raise DialogueOver

    return step


def reset() -> Step:
    """Break the connection, as a crash or a firewall does."""

    async def step(dialogue: Dialogue) -> None:
        dialogue.reset()
        raise DialogueOver

    return step


def drip(text: str, pause_seconds: float = 0.05) -> Step:
    """Send a line one byte at a time."""

    async def step(dialogue: Dialogue) -> None:
        for byte in text.encode() + b"\r\n":
            await dialogue.send(bytes([byte]))
            await asyncio.sleep(pause_seconds)

    return step


def garbage() -> Step:
    """Send a line that belongs to no protocol: bytes above 127, NUL among them."""
    return lambda dialogue: dialogue.send(bytes(range(128, 256)) + b"\x00\r\n")


def endless_line() -> Step:
    """Send one line without end, until the client has had enough."""

    async def step(dialogue: Dialogue) -> None:
        while True:
            await dialogue.send(b"x" * 65536)

    return step


def wait_for(event: asyncio.Event) -> Step:
    """Go on when the test says so."""

    async def step(_: Dialogue) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            await event.wait()

    return step
