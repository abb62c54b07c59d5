"""A proxy before a real mail server: it counts, it cuts, it slows down, and it hides what a server can.

async with CountingProxy(ImapWire, dovecot.imap_port) as proxy:
    ...
    assert proxy.verbs == ["LOGIN", "SELECT", "UID SORT", "UID FETCH"]
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Self

from testkit.listening import HERE, LONGEST_LINE, listening

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from testkit.wire import Command, Wire


END = b""


class Cut(Enum):
    """Where a connection breaks at a command.

    The server never sees it; or the server has carried it out, but the client never sees the answer;
    or the client sees the answer and nothing more.
    """

    BEFORE_COMMAND = auto()
    BEFORE_ANSWER = auto()
    AFTER_ANSWER = auto()


@dataclass(frozen=True)
class ProxyOptions:
    """What the proxy does to the dialogue.

    `removed` are capabilities in capitals: they are in no answer of the server, and a command that
    needs them is refused and makes the test fail. `delay_seconds` is added to each answer, as by a
    long line: answers to commands sent together wait together. With `tls` the client's side is
    encrypted from the first byte; the server's side never is.
    """

    server_host: str = "127.0.0.1"
    removed: tuple[str, ...] = ()
    delay_seconds: float = 0
    tls: ssl.SSLContext | None = None


class Hold:
    """A command whose connection stands still until `release`; `reached` is set when it does.

    Before the server has seen the command, or before the client sees the answer, as `when` says.
    """

    def __init__(self, at: int | str, when: Cut) -> None:
        self.reached = asyncio.Event()
        self.when = when
        self.command: Command | None = None
        self._at = at
        self._released = asyncio.Event()

    def note(self, command: Command) -> None:
        """Count a command, and choose it if it is the one."""
        if self.command is None and self._at in {1, command.verb}:
            self.command = command
        elif isinstance(self._at, int):
            self._at -= 1

    def release(self) -> None:
        """Let the connection go on."""
        self._released.set()

    async def stand_still(self) -> None:
        """Say that it is reached, and wait for the release."""
        self.reached.set()
        await self._released.wait()


class CountingProxy:
    """Stands before the server at `server_port`; clients go to `host` and `port`.

    `commands` are those of all connections, in order; clear it to count anew. `round_trips`: how often a
    client spoke after the server had, which is how often it has waited. STARTTLS through the proxy is
    refused, since it could read no further.
    """

    host = HERE

    def __init__(self, wire: type[Wire], server_port: int, options: ProxyOptions | None = None) -> None:
        self.commands: list[Command] = []
        self.violations: list[Command] = []
        self.connections = 0
        self.cuts = 0
        self.bytes_from_client = 0
        self.bytes_from_server = 0
        self.round_trips = 0
        self.port = 0
        self.wire = wire
        self.options = options or ProxyOptions()
        self._server_port = server_port
        self._cut: tuple[int | str, Cut] | None = None
        self._holds: list[Hold] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listening = listening(self._accept, self.port, tls=self.options.tls)
        self.port = await self._listening.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listening.__aexit__(kind, error, trace)
        if error is None and self.violations:
            used = ", ".join(command.line for command in self.violations)
            raise AssertionError(f"the client used what the server does not offer: {used}")

    @property
    def verbs(self) -> list[str]:
        """The verbs of the commands so far."""
        return [command.verb for command in self.commands]

    def cut(self, at: int | str, when: Cut = Cut.AFTER_ANSWER) -> None:
        """Break the connection at the n-th command from now, or at the next of that verb; once."""
        self._cut = (at, when)

    def hold(self, at: int | str, when: Cut = Cut.BEFORE_ANSWER) -> Hold:
        """Have the connection stand still at the n-th command from now, or at the next of that verb; once."""
        self._holds.append(Hold(at, when))
        return self._holds[-1]

    async def stand_still(self, command: Command | None, when: Cut) -> None:
        """Wait where a connection is to stand still."""
        for hold in self._holds:
            if command is not None and hold.command is command and hold.when is when:
                await hold.stand_still()

    async def close_connections(self) -> None:
        """Break all connections now, as a server or a firewall does with idle ones."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def note(self, command: Command) -> Cut | None:
        """Count a command; the answer is where its connection is to be cut, if anywhere."""
        self.commands.append(command)
        for hold in self._holds:
            hold.note(command)
        if self._cut is None:
            return None
        at, when = self._cut
        if at in {1, command.verb}:
            self._cut = None
            self.cuts += 1
            return when
        if isinstance(at, int):
            self._cut = (at - 1, when)
        return None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            from_server, to_server = await asyncio.open_connection(
                self.options.server_host, self._server_port, limit=LONGEST_LINE
            )
            try:
                await _Connection(self, (reader, writer), (from_server, to_server)).run()
            finally:
                to_server.transport.abort()
        except OSError:
            pass
        finally:
            self._tasks.discard(task)


class _Connection:
    """One client's connection: a pump for each direction, and a queue that makes answers late."""

    def __init__(
        self,
        proxy: CountingProxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._proxy = proxy
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._wire = proxy.wire()
        self._removed = (*proxy.options.removed, "STARTTLS", "STLS")
        self._refused: set[Command] = set()
        self._cut_command: Command | None = None
        self._is_silent = False
        self._has_server_spoken = False
        self._late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def run(self) -> None:
        """Carry on until either side ends or the connection is cut."""
        server_pump = asyncio.create_task(self._pump_server())
        others = [asyncio.create_task(self._pump_client()), asyncio.create_task(self._deliver())]
        try:
            # The server's end is told to the client by the queue, after all that came before it.
            await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in (server_pump, *others):
                pump.cancel()
            await asyncio.gather(server_pump, *others, return_exceptions=True)
        if not self._is_silent:
            self._to_client.close()
            await self._to_client.wait_closed()

    async def _pump_client(self) -> None:
        while line := await _read_line(self._from_client):
            self._proxy.bytes_from_client += len(line)
            self._proxy.round_trips += self._has_server_spoken
            self._has_server_spoken = False
            command = self._wire.client_line(line)
            if command is None:
                self._to_server.write(line)
            elif self._cut_command is not None:
                await asyncio.Future()  # Nothing goes on after the cut; only its answer is awaited.
            elif self._is_cut_before(command):
                return
            elif self._is_violation(command):
                self._to_server.write(self._wire.harmless(command))
                if self._wire.abandon():
                    return
            else:
                await self._proxy.stand_still(command, Cut.BEFORE_COMMAND)
                self._to_server.write(line)
            await self._pass_client_literal()
            await self._to_server.drain()

    async def _pass_client_literal(self) -> None:
        data = await self._from_client.readexactly(self._wire.client_literal)
        self._proxy.bytes_from_client += len(data)
        self._to_server.write(data)

    def _is_cut_before(self, command: Command) -> bool:
        """Count the command, and begin the cut that is due at it."""
        when = self._proxy.note(command)
        if when is not None:
            self._cut_command = command
            self._is_silent = when is not Cut.AFTER_ANSWER
        return when is Cut.BEFORE_COMMAND

    def _is_violation(self, command: Command) -> bool:
        is_one = any(self._wire.is_use_of(command, name) for name in self._removed)
        if is_one:
            self._proxy.violations.append(command)
            self._refused.add(command)
        return is_one

    async def _pump_server(self) -> None:
        finished: Command | None = None
        while finished is None or finished is not self._cut_command:
            line = await _read_line(self._from_server)
            if not line:
                break
            self._proxy.bytes_from_server += len(line)
            finished = self._wire.server_line(line)
            if finished in self._refused:
                line = self._wire.refusal(finished)
            await self._proxy.stand_still(finished, Cut.BEFORE_ANSWER)
            self._send_late(self._wire.hide(line, self._removed))
            await self._pass_server_literal()
        self._late.put_nowait((0, END))

    async def _pass_server_literal(self) -> None:
        left = self._wire.server_literal
        while left and (data := await self._from_server.read(min(left, 65536))):
            left -= len(data)
            self._proxy.bytes_from_server += len(data)
            self._send_late(data)

    def _send_late(self, data: bytes) -> None:
        # In a silence the rest of the command is still asked for, or it could not be carried out.
        if data and (not self._is_silent or self._wire.is_challenged):
            self._late.put_nowait(
                (asyncio.get_running_loop().time() + self._proxy.options.delay_seconds, data)
            )

    async def _deliver(self) -> None:
        while True:
            due, data = await self._late.get()
            if data == END:
                return
            if (pause_seconds := due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(pause_seconds)
            self._to_client.write(data)
            self._has_server_spoken = True
            if self._late.empty():
                await self._to_client.drain()


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    """The next line, or nothing at the end."""
    try:
        return await reader.readuntil(b"\n")
    except (OSError, asyncio.IncompleteReadError):
        return b""
