"""One SMTP connection: commands out, replies in, each step within its limit. The only door to aiosmtplib."""

from __future__ import annotations

import asyncio
import math
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import cast

from aiosmtplib import SMTPException, SMTPResponse, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.esmtp import parse_esmtp_extensions
from aiosmtplib.protocol import MAX_RESPONSE_LENGTH, SMTPProtocol

from worker.errors import (
    ConnectionFailed,
    MailServerError,
    ProtocolViolation,
    ServerTimeout,
    ServerUnavailable,
)
from worker.mail.account import Account, Encryption
from worker.mail.command_trace import Step, trace_commands, traced_step
from worker.mail.timeouts import Timeouts
from worker.mail.tls import tls_failure

_MAX_TEXT = 1000
_REPLY_CODES = range(200, 600)
_INVALID = -1  # aiosmtplib's code of what is no reply
_CLOSING = 421  # RFC 5321 3.8: the server closes the connection, whatever was asked
_CHUNK_BYTES = 64 * 1024
_HAPPY_EYEBALLS_SECONDS = 0.25  # RFC 8305
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3} ")
_ERROR_NUMBER = re.compile(r"\[Errno (\d+)\]")
_LINE_BREAK = re.compile(r"\r\n|[\r\n\0]")


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer: three digits and the text of its lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one, cut to a length fit for a message, their status (RFC 2034) said once."""
        first, *others = self.lines
        status = _STATUS.match(first)
        repeated = status[0] if status else ""
        return _shown(" ".join([first, *(line.removeprefix(repeated) for line in others)]))

    @property
    def is_positive(self) -> bool:
        """Whether the command was done (2yz, RFC 5321 4.2.1)."""
        return self.code // 100 == 2  # noqa: PLR2004 - the classes of reply codes

    @property
    def is_transient(self) -> bool:
        """Whether the command was refused for now (4yz)."""
        return self.code // 100 == 4  # noqa: PLR2004 - the classes of reply codes

    @property
    def is_permanent(self) -> bool:
        """Whether the command was refused for good (5yz)."""
        return self.code // 100 == 5  # noqa: PLR2004 - the classes of reply codes

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


class _PipeliningProtocol(SMTPProtocol):
    """aiosmtplib's protocol holds one reply; this one all that a group of commands brings (RFC 2920)."""

    def __init__(self) -> None:
        super().__init__()
        self._expected = 1  # the greeting
        self._give_up_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._drain_wholly()

    def data_received(self, data: bytes) -> None:
        if self._expected:  # else nobody asked: the farewell of a server that closes an idle session
            self._buffer += data
            self.take_response()

    def write_commands(self, lines: bytes, *, expected: int) -> None:
        """Send commands together; as many `next_response` are expected."""
        self._expected = expected
        self.write(lines)
        if not self.is_connected:  # the system has refused all of it
            raise SMTPServerDisconnected("Connection lost")

    def take_response(self) -> bool:
        """Hand the next reply over if it is here; tell whether it, or the end, can be had without waiting."""
        waiter = self._response_waiter
        if waiter is None or waiter.done():
            return True
        if not self._buffer:
            return False
        try:
            response = self._read_response_from_buffer()
        except SMTPException as error:
            self._set_response_exception(waiter, error)
        else:
            if response is not None:
                waiter.set_result(response)
            elif len(self._buffer) > MAX_RESPONSE_LENGTH:
                self._set_response_exception(waiter, SMTPResponseException(_INVALID, "Response too long"))
        return waiter.done()

    async def next_response(self, within_seconds: float) -> SMTPResponse:
        """Wait for a reply. Raises TimeoutError."""
        waiter = self._response_waiter
        if waiter is None:
            raise SMTPServerDisconnected("Connection lost")
        if not self.take_response():
            self._give_up_in(within_seconds)
        try:
            return await waiter
        finally:
            self._give_up_at = math.inf
            self._response_waiter = None if self.transport is None else self._loop.create_future()
            self._expected = max(0, self._expected - 1)
            if not self._expected:
                # Nothing said in advance is believed, least of all before TLS (RFC 3207 4.2).
                self._buffer.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    def _give_up_in(self, seconds: float) -> None:
        """Set the limit of a wait. One timer serves all: to make one takes longer than to read a reply."""
        self._give_up_at = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._give_up_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._give_up_at, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._timer = None
        waiter = self._response_waiter
        if waiter is None or waiter.done() or self._give_up_at == math.inf:
            return  # nobody waits
        if self._loop.time() >= self._give_up_at:
            self._set_response_exception(waiter, TimeoutError())
        else:
            self._timer = self._loop.call_at(self._give_up_at, self._look_at_the_clock)

    async def drain(self) -> None:
        """Wait until the operating system has taken what was written."""
        await self._drain_helper()

    async def encrypt(self, context: ssl.SSLContext, host: str, handshake_seconds: float) -> None:
        """Go on in TLS on the same connection."""
        self.transport = await self._loop.start_tls(
            cast("asyncio.Transport", self.transport),
            self,
            context,
            server_hostname=host,
            ssl_handshake_timeout=handshake_seconds,
        )
        self._drain_wholly()

    def _drain_wholly(self) -> None:
        # Not 0: asyncio's TLS transport would take an empty buffer for a full one, and never resume.
        cast("asyncio.WriteTransport", self.transport).set_write_buffer_limits(high=1, low=0)


class SmtpWire:
    """Commands and replies of one connection. It is cut by any error or cancellation in a step."""

    def __init__(self, account: Account, timeouts: Timeouts, protocol: _PipeliningProtocol) -> None:
        self.server = account.server
        self._account = account
        self._timeouts = timeouts
        self._protocol = protocol
        self._step: Step | None = None

    @property
    def is_connected(self) -> bool:
        """Whether neither side has closed the connection, as far as is known here."""
        return self._protocol.is_connected

    @property
    def local_address(self) -> str:
        """The address literal of this end, for a client without a name (RFC 5321 4.1.3)."""
        transport = self._protocol.transport
        host = transport.get_extra_info("sockname")[0] if transport else "127.0.0.1"
        return f"[IPv6:{host}]" if ":" in host else f"[{host}]"

    async def read_greeting(self) -> Reply:
        """Wait for the reply that a server gives unasked."""
        with traced_step(self._account.protocol, self.server, "greeting"):
            return await self._read(self._timeouts.greeting_seconds)

    async def call(self, command: str) -> Reply:
        """Send one command and wait for its reply."""
        self.write(command)
        return await self.read()

    def write(self, *commands: str) -> None:
        """Send commands in one go; each of them is owed one `read`."""
        lines = "\r\n".join(commands)
        if len(_LINE_BREAK.findall(lines)) != len(commands) - 1:
            raise ValueError("a command may not hold a line break or NUL")
        self._write(commands, lines.encode())

    def write_end(self, content: bytes) -> None:
        """Send the last piece of a message and its end in one go; that is owed one `read`.

        Where this raises, the server has not got the end.
        """
        self._write((".",), content + b".")

    def read(self) -> Awaitable[Reply]:
        """Wait for the next reply to a command."""
        return self._read(self._timeouts.command_seconds)

    def read_verdict(self) -> Awaitable[Reply]:
        """Wait for the reply to a whole message, which may take long (RFC 5321 4.5.3.2.6)."""
        return self._read(self._timeouts.transfer_seconds)

    async def send_content(self, content: memoryview) -> None:
        """Send a message without its last piece; return when the operating system has taken all of it."""
        async with self.limit(self._timeouts.transfer_seconds):
            for start in range(0, len(content), _CHUNK_BYTES):
                self._protocol.write(cast("bytes", content[start : start + _CHUNK_BYTES]))
                await self._protocol.drain()

    async def encrypt(self, context: ssl.SSLContext) -> None:
        """Go on in TLS; the certificate must be the host's."""
        seconds = self._timeouts.tls_seconds
        async with self.limit(seconds):
            with traced_step(self._account.protocol, self.server, "tls"):
                await self._protocol.encrypt(context, self._account.host, seconds)

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        """Give one step so many seconds in all, however the server parcels out its bytes."""
        with _Failures(self, seconds):
            async with asyncio.timeout(seconds):
                yield

    def abort(self) -> None:
        """Cut the connection at once."""
        transport = self._protocol.transport
        if transport is not None:
            cast("asyncio.WriteTransport", transport).abort()

    def _write(self, commands: tuple[str, ...], lines: bytes) -> None:
        self._step = trace_commands(self._account.protocol, self.server, commands)
        with _Failures(self):
            self._protocol.write_commands(lines + b"\r\n", expected=len(commands))

    async def _read(self, seconds: float) -> Reply:
        try:
            with _Failures(self, seconds):
                response = await self._protocol.next_response(seconds)
        finally:
            if self._step is not None:
                self._step.answered()
        reply = _reply(response)
        if reply.code not in _REPLY_CODES:
            self.abort()
            raise ProtocolViolation(
                f"{self.server} does not speak SMTP: it answered “{reply}”; check host and port.",
                server=self.server,
            )
        if reply.code == _CLOSING:
            self.abort()
            raise ServerUnavailable(f"{self.server} closes the connection: {reply}", server=self.server)
        return reply


class _Failures:
    """Where a step fails, cut the connection and say in our words what that means."""

    __slots__ = ("_seconds", "_wire")

    def __init__(self, wire: SmtpWire, seconds: float | None = None) -> None:
        self._wire = wire
        self._seconds = seconds

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        self._wire.abort()
        if isinstance(error, OSError | SMTPException):
            raise failure_of(self._wire.server, error, self._seconds) from error


async def connect(account: Account, *, timeouts: Timeouts, tls_context: ssl.SSLContext) -> SmtpWire:
    """Connect, in TLS where the account asks for it from the first byte; the greeting is still to be read."""
    is_encrypted = account.encryption is Encryption.IMPLICIT
    seconds = timeouts.connect_seconds + (timeouts.tls_seconds if is_encrypted else 0)
    try:
        async with asyncio.timeout(seconds):
            with traced_step(account.protocol, account.server, "connect"):
                _, protocol = await asyncio.get_running_loop().create_connection(
                    _PipeliningProtocol,
                    account.host,
                    account.port,
                    ssl=tls_context if is_encrypted else None,
                    ssl_handshake_timeout=timeouts.tls_seconds if is_encrypted else None,
                    happy_eyeballs_delay=_HAPPY_EYEBALLS_SECONDS,
                )
    except (OSError, UnicodeError) as error:
        raise failure_of(account.server, error, seconds) from error
    return SmtpWire(account, timeouts, protocol)


def parse_extensions(reply: Reply) -> dict[str, str]:
    """Read the reply to EHLO: extension in lower case to its parameters (RFC 5321 4.1.1.1)."""
    extensions, mechanisms = parse_esmtp_extensions("\n".join(reply.lines))
    # Some servers offer sign-in twice, the second time in the old way: AUTH=LOGIN.
    return {**extensions, "auth": " ".join(mechanisms)}


def failure_of(server: str, error: Exception, seconds: float | None = None) -> MailServerError:
    """Say in our words what went wrong on the connection to `server`."""
    if isinstance(error, TimeoutError):
        limit = "in time" if seconds is None else f"within {seconds:g} seconds"
        return ServerTimeout(f"{server} did not answer {limit}.", server=server)
    if isinstance(error, ssl.SSLError):
        return tls_failure(server, error)
    if isinstance(error, SMTPResponseException):
        return ProtocolViolation(
            f"{server} does not speak SMTP: {_shown(_printable(error.message))}; check host and port.",
            server=server,
        )
    if isinstance(error, socket.gaierror | UnicodeError):
        return ConnectionFailed(f"The host of {server} is not known; check its name.", server=server)
    return ConnectionFailed(f"No connection to {server}: {_reason(error)}.", server=server)


def _reason(error: Exception) -> str:
    # Where a host has several addresses, asyncio puts their errors into one text.
    number = _ERROR_NUMBER.search(f"{error} {error.__cause__}")
    return os.strerror(int(number[1])).lower() if number else "it was closed by the other side"


def _reply(response: SMTPResponse) -> Reply:
    return Reply(response.code, tuple([_printable(line) for line in response.message.split("\n")]))


def _shown(text: str) -> str:
    # The sign tells the mask of secrets that half of one may stand before it.
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def _printable(text: str) -> str:
    text = text.strip()
    return text if text.isprintable() else _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
