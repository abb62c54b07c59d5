"""An open SMTP connection: commands that travel together, which aiosmtplib cannot send, and their replies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from worker.mail.account import MailProtocol
from worker.mail.command_trace import Step, traced
from worker.mail.connection import failure_of
from worker.mail.smtp.replies import NO_REPLY, Reply, check_reply
from worker.mail.timeouts import Timeouts

_MAX_REPLY_BYTES = 32 * 1024
# On average, of replies to commands that are sent together.
_USUAL_REPLY_BYTES = 1024
_CHUNK_BYTES = 64 * 1024
_BREAKS_A_COMMAND = re.compile(r"[\r\n\0]")
_REPLY_LINE = re.compile(r"(\d{3})(?:([ -])(.*))?\s*")


class SmtpConnection(asyncio.Protocol):
    """Commands and replies on a transport that has been connected; any error or cancellation cuts it.

    What the server sends while no reply is due is not accepted as a reply.
    """

    def __init__(self, server: str, transport: asyncio.Transport, timeouts: Timeouts) -> None:
        self.server = server
        self.timeouts = timeouts
        self._transport = transport
        self._replies_due = self._octets_left = 0
        self._unread = asyncio.StreamReader()
        self._step: Step | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        transport.set_protocol(self)
        # Drain wholly. Not 0: asyncio's TLS transport would take an empty buffer for a full one.
        transport.set_write_buffer_limits(high=1, low=0)

    @property
    def is_usable(self) -> bool:
        """Whether neither side has closed the connection, as far as is known here."""
        return not self._transport.is_closing()

    def abort(self) -> None:
        """Cut the connection immediately. Never raises."""
        self._transport.abort()

    async def call(self, command: str, seconds: float | None = None) -> Reply:
        """Send one command and wait for its reply."""
        self.write(command)
        return await self.read(seconds)

    def write(self, *commands: str, content: bytes = b"") -> None:
        """Send commands together, after `content`; each of them needs one `read`.

        If this raises, the server has not got them.
        """
        if _BREAKS_A_COMMAND.search("".join(commands)):
            raise ValueError("a command must not contain a line break or NUL")
        self._step = traced(MailProtocol.SMTP, self.server, *commands)
        self._replies_due = len(commands)
        self._octets_left = max(_MAX_REPLY_BYTES, _USUAL_REPLY_BYTES * len(commands))
        self._unread = asyncio.StreamReader(limit=_MAX_REPLY_BYTES)
        self._transport.write(content + "".join(f"{command}\r\n" for command in commands).encode())
        if not self.is_usable:  # the operating system has refused all of it
            raise failure_of(self.server, ConnectionResetError())

    async def send_content(self, content: memoryview, check: Callable[[], None]) -> None:
        """Send a message without its last piece, and check when the operating system has taken all of it.

        If `check` raises, the connection is cut: the only way to cancel an unfinished message.
        """
        async with self._within(self.timeouts.transfer_seconds):
            for start in range(0, len(content), _CHUNK_BYTES):
                self._transport.write(content[start : start + _CHUNK_BYTES])
                await self._may_write.wait()
                if not self.is_usable:
                    raise ConnectionResetError
            check()

    async def read(self, seconds: float | None = None) -> Reply:
        """Wait for the next reply to a command."""
        async with self._within(seconds or self.timeouts.command_seconds):
            try:
                return check_reply(self.server, await self._next_reply())
            finally:
                self._replies_due -= 1
                if self._step is not None:
                    self._step.end()

    def data_received(self, data: bytes) -> None:
        """Keep what may be a reply."""
        if self._replies_due:
            self._unread.feed_data(data)

    def pause_writing(self) -> None:
        """Let `send_content` wait."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Let it continue: the operating system has taken what was written."""
        self._may_write.set()

    def connection_lost(self, _error: Exception | None) -> None:
        """End all waiting: nothing more will come."""
        self._unread.feed_eof()
        self._may_write.set()

    async def _next_reply(self) -> Reply:
        lines: list[str] = []
        while True:
            try:
                line = await self._unread.readuntil(b"\n")
                self._octets_left -= len(line)
            except asyncio.LimitOverrunError:
                self._octets_left = -1
            if self._octets_left < 0:
                return Reply(NO_REPLY, ("a reply that does not end",))
            text = line.decode("utf-8", "surrogateescape")
            found = _REPLY_LINE.fullmatch(text)
            if found is None:
                return Reply(NO_REPLY, (text,))
            lines.append(found[3] or "")
            if found[2] != "-":
                return Reply(int(found[1]), tuple(lines))

    @asynccontextmanager
    async def _within(self, seconds: float) -> AsyncIterator[None]:
        """Limit a step. Cut the connection after any failure; turn one of the connection into its error."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError | EOFError):
                raise failure_of(self.server, error, seconds) from error
            raise
