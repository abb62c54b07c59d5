"""The connection of a POP3 session, by poplib, which can be cut at any moment."""

from __future__ import annotations

import poplib
import socket
import ssl
from contextlib import suppress
from typing import Any

from worker.mail.account import Account
from worker.mail.timeouts import Timeouts
from worker.mail.tls import tls_failure


class _Connection:
    """What is ours of a poplib client. Only `cut` may be called from another thread.

    `patience_seconds`: how long the server may be silent. poplib assigns `sock` before its constructor waits
    for the greeting; if that is a refusal, it leaves the socket open.
    """

    file: Any = None

    def __init__(self, account: Account, timeouts: Timeouts) -> None:
        self.account = account
        self.timeouts = timeouts
        self.patience_seconds = timeouts.connect_seconds
        self.is_cut = False
        self._socket: socket.socket | None = None

    def open(self, **more: Any) -> None:
        """Connect and take the greeting, which poplib does in its constructor."""
        account, seconds = self.account, self.patience_seconds
        super().__init__(account.host, account.port, timeout=seconds, **more)  # type: ignore[call-arg]

    @property
    def sock(self) -> Any:
        """The socket; None before the connection and after it."""
        return self._socket

    @sock.setter
    def sock(self, connected: socket.socket | None) -> None:
        self._socket = connected
        self.wait(self.timeouts.greeting_seconds)
        if self.is_cut:
            raise ConnectionAbortedError

    def wait(self, patience_seconds: float) -> None:
        """Let the server be silent for so long from now on."""
        self.patience_seconds = patience_seconds
        if self._socket is not None:
            self._socket.settimeout(patience_seconds)

    def cut(self) -> None:
        """End the connection at once; a thread that waits for it reads its end. Never raises."""
        self.is_cut = True
        if self._socket is not None:
            with suppress(OSError):  # it may have ended already
                # Not SSLSocket.shutdown: that takes the encryption off first, under the hands of a thread
                # that may be just about to send a password.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give back the descriptor, when no thread is at work here any more. Never raises."""
        self.cut()
        for resource in filter(None, (self.file, self._socket)):
            with suppress(OSError):
                resource.close()


class PlainConnection(_Connection, poplib.POP3):
    """A connection in the clear, until STLS."""


class TlsConnection(_Connection, poplib.POP3_SSL):
    """A connection with TLS from the first byte; `open` takes a TlsContext as `context`."""


class TlsContext:
    """A TLS context as poplib uses one, so that `cut` reaches the socket during the handshake too."""

    def __init__(self, connection: PlainConnection | TlsConnection, context: ssl.SSLContext) -> None:
        self._connection = connection
        self._context = context

    def wrap_socket(self, plain: socket.socket, *, server_hostname: str) -> ssl.SSLSocket:
        """Encrypt a socket, within its time; raises TlsFailed."""
        connection = self._connection
        try:
            encrypted = self._context.wrap_socket(
                plain, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            connection.sock = encrypted
            connection.wait(connection.timeouts.tls_seconds)
            encrypted.do_handshake()
        except ssl.SSLError as error:
            raise tls_failure(connection.account.server, error) from error
        return encrypted
