"""Connections to mail servers: opened on the event loop, then used by a thread within bounds."""

from __future__ import annotations

import asyncio
import io
import os
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohappyeyeballs

from worker.errors import ConnectionFailed, MailServerError, ProtocolViolation, ServerTimeout
from worker.mail.account import Account
from worker.mail.command_trace import traced_step
from worker.mail.tls import tls_failure

_NEXT_ADDRESS_SECONDS = 0.25  # RFC 8305, 5
_ERROR_NUMBER = re.compile(r"\[Errno (\d+)\]")


class TokenMissing(Exception):
    """An access token has to be fetched before a session can be opened."""


async def connect(account: Account, within_seconds: float) -> socket.socket:
    """Connect to the account's server at whichever of its addresses answers first.

    Raises ConnectionFailed or ServerTimeout, and TokenMissing before anything is done.
    """
    if account.is_without_token:
        raise TokenMissing
    server = account.server
    try:
        async with asyncio.timeout(within_seconds):
            with traced_step(account.protocol, server, "connect"):
                addresses = await asyncio.get_running_loop().getaddrinfo(
                    account.host, account.port, type=socket.SOCK_STREAM
                )
                return await aiohappyeyeballs.start_connection(
                    addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS
                )
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError: a host name that is not valid in DNS
        text = f"Cannot resolve the host {account.host}; check its name."
        raise ConnectionFailed(text, server=server) from error
    except OSError as error:
        raise failure_of(server, error, within_seconds, "take a connection") from error


def failure_of(
    server: str, error: BaseException, seconds: float | None = None, doing: str = "answer"
) -> MailServerError:
    """Say in one sentence what went wrong on the connection to `server`. `seconds`: the limit, if known."""
    if isinstance(error, TimeoutError):
        limit = "in time" if seconds is None else f"within {seconds:g} seconds"
        return ServerTimeout(f"{server} did not {doing} {limit}.", server=server)
    for failure in (error, error.__cause__):
        if isinstance(failure, ssl.SSLError):
            return tls_failure(server, failure)
    # The system's words; those of asyncio repeat the address. Errors of several addresses come in one text.
    number = _ERROR_NUMBER.search(f"{error} {error.__cause__}")
    if number is None:
        return ConnectionFailed(f"No connection to {server}: it was closed by the other side.", server=server)
    text = f"No connection to {server} ({os.strerror(int(number[1])).lower()}); check host and port."
    return ConnectionFailed(text, server=server)


class BoundedConnection:
    """A socket for one thread at a time that takes no more octets and no more seconds than `allow` has said.

    Every method raises a MailServerError if it fails. Only `cut` may be called from another thread.
    """

    def __init__(self, server: str, connection: socket.socket) -> None:
        self.server = server
        self.socket = connection
        self.octets = 0
        self.doing = ""
        self._seconds = self._deadline = 0.0
        # The socket is replaced when TLS begins; this one can be shut down at any time.
        try:
            self._handle = connection.dup()
        except OSError as error:  # too many open files
            connection.close()
            raise failure_of(server, error) from error
        self._incoming = self._new_buffer()

    def allow(self, doing: str, seconds: float, octets: int) -> None:
        """Begin a step of the dialogue, and say what it may take."""
        self.doing, self._seconds, self.octets = doing, seconds, octets
        self._deadline = time.monotonic() + seconds

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS."""
        try:
            self.use(context.wrap_socket(self._before_deadline(), server_hostname=host))
        except (OSError, ValueError) as error:
            raise self.failure(error) from error

    def use(self, connection: socket.socket) -> None:
        """Continue with this socket; octets read from the former one, before TLS, are dropped."""
        if connection is not self.socket:
            self.socket = connection
            self._incoming = self._new_buffer()

    def read(self, size: int) -> bytes:
        """Read this many octets."""
        if size > self.octets + io.DEFAULT_BUFFER_SIZE:
            raise self._too_much()
        data = self._incoming.read(size)
        if len(data) < size:
            raise self.failure(EOFError())
        return data

    def readline(self, limit: int = -1) -> bytes:
        """Read a line with its end, or as much of it as `limit` says."""
        line = self._incoming.readline(limit)
        if not line.endswith(b"\n") and len(line) != limit:
            raise self.failure(EOFError())
        return line

    def peek(self) -> bytes:
        """Return the next octet, which stays to be read; empty at the end."""
        return self._incoming.peek(1)[:1]

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self._before_deadline().sendall(data)
        except OSError as error:
            raise self.failure(error) from error

    def cut(self) -> None:
        """End the connection immediately; a thread that waits for it gets an error. Never raises."""
        with suppress(OSError):  # it may have ended already
            self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the descriptors back; only while no other thread uses them."""
        self._handle.close()
        with suppress(OSError):  # it may be closed already
            # Not by close, which would wait for files made of the socket.
            os.close(self.socket.detach())

    def failure(self, error: Exception) -> MailServerError:
        """Return what an exception of the socket means for this step."""
        is_before_tls = isinstance(error, ssl.SSLError) and not isinstance(self.socket, ssl.SSLSocket)
        if is_before_tls or isinstance(error, TimeoutError):
            return failure_of(self.server, error, self._seconds, self.doing)
        text = f"The connection to {self.server} broke when asked to {self.doing}."
        return ConnectionFailed(text, server=self.server)

    def _new_buffer(self) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._receive))

    def _receive(self, buffer: Any) -> int:
        try:
            count = self._before_deadline().recv_into(buffer)
        except OSError as error:
            raise self.failure(error) from error
        self.octets -= count
        if self.octets < 0:
            raise self._too_much()
        return count

    def _before_deadline(self) -> socket.socket:
        # A socket's own timeout begins again with each octet; the deadline does not.
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self.socket.settimeout(remaining)
        return self.socket

    def _too_much(self) -> MailServerError:
        text = f"{self.server} sends too long a reply when asked to {self.doing}."
        return ProtocolViolation(text, server=self.server)


class _Incoming(io.RawIOBase):
    """What the buffer reads from; closing it leaves the socket open."""

    def __init__(self, receive: Callable[[Any], int]) -> None:
        super().__init__()
        self._receive = receive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._receive(buffer)
