"""A socket whose every read and write ends by a deadline, however slowly the other side drips."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from worker.errors import ConnectionFailed, ServerTimeout
from worker.mail.account import Account
from worker.mail.command_trace import traced_step

# Of two answers to commands sent together, a server without TCP_NODELAY (Dovecot's for POP3) keeps the second
# back until the first is acknowledged, which Linux does 40 ms later. It has to be set anew for each answer.
_ACKNOWLEDGE_AT_ONCE = getattr(socket, "TCP_QUICKACK", None)


class DeadlineSocket:
    """A connected socket for one thread at a time, with a deadline over all that follows.

    A socket's own timeout begins anew with each byte; the deadline of `allow` does not. TimeoutError
    says that it has passed. Only `cut` may be called from another thread.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._deadline = time.monotonic()
        self._is_cut = False

    def allow(self, seconds: float) -> None:
        """Give all that follows this long, from now."""
        self._deadline = time.monotonic() + seconds

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands. Whoever has read from before must ask for a new `makefile`."""
        # The handshake comes after the assignment, so that `cut` reaches it.
        self._socket = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
        self._before_deadline().do_handshake()

    def sendall(self, data: bytes) -> None:
        """Send all of it, or raise."""
        self._before_deadline().sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Read as poplib does, from a buffer."""
        return io.BufferedReader(_Reader(self._read_into))

    def cut(self) -> None:
        """End the connection at once; a thread that waits for it reads its end. Never raises."""
        self._is_cut = True
        with suppress(OSError):  # it may have ended already
            # Not SSLSocket.shutdown: that takes the encryption off first, under the hands of a thread
            # that may be just about to send a password.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def shutdown(self, _how: int) -> None:
        """End the connection, by the name that poplib uses."""
        self.cut()

    def close(self) -> None:
        """Give the descriptor back; only while no other thread uses it."""
        self._socket.close()

    def _read_into(self, buffer: Any) -> int:
        count: int = self._before_deadline().recv_into(buffer)
        if _ACKNOWLEDGE_AT_ONCE is not None:
            with suppress(OSError):  # it is for speed alone
                self._socket.setsockopt(socket.IPPROTO_TCP, _ACKNOWLEDGE_AT_ONCE, 1)
        return count

    def _before_deadline(self) -> Any:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        if self._is_cut:
            raise ConnectionAbortedError
        self._socket.settimeout(remaining)
        return self._socket


class _Reader(io.RawIOBase):
    """What a buffer reads from. Closing it leaves the socket open: TLS goes on with a new one."""

    def __init__(self, read_into: Callable[[Any], int]) -> None:
        super().__init__()
        self._read_into = read_into

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._read_into(buffer)


async def connect(account: Account, within_seconds: float) -> DeadlineSocket:
    """Connect to the account's server at the first of its addresses that answers.

    On the event loop, since nothing could wake a thread that waits for a connection. Raises
    ConnectionFailed or ServerTimeout.
    """
    server = account.server
    try:
        async with asyncio.timeout(within_seconds):
            with traced_step(account.protocol, server, "connect"):
                return DeadlineSocket(await _connect_to_any(account.host, account.port))
    except TimeoutError as error:
        raise ServerTimeout(
            f"{server} did not take a connection within {within_seconds:g} seconds.", server=server
        ) from error
    except (OSError, UnicodeError) as error:  # UnicodeError: a host name that DNS cannot hold
        raise ConnectionFailed(
            f"No connection to {server} ({_reason(error)}); check host and port.", server=server
        ) from error


def _reason(error: Exception) -> str:
    """Return the system's words; asyncio's own hold the address again."""
    number = getattr(error, "errno", None) or 0
    text = os.strerror(number) if number > 0 else getattr(error, "strerror", None)
    return (text or "no such host").lower()


async def _connect_to_any(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure = OSError()
    for family, kind, protocol, _, address in addresses:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(0)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, address)
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure
