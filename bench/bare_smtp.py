"""SMTP as bare as can be: one socket, one message in two round trips (RFC 2920)."""

from __future__ import annotations

import socket
import ssl

_MESSAGE = (
    b"From: ann@example.org\r\nTo: bob@example.org\r\nSubject: Hello\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n'
    b"Hello Bob\r\n.\r\n"
)
_OFFER = b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"


class BareSmtp:
    """A session that has greeted, in TLS (STARTTLS) where there is a context."""

    def __init__(self, host: str, port: int, tls_context: ssl.SSLContext | None = None) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._read_reply()
        self._command(b"EHLO bench\r\n")
        if tls_context is not None:
            self._command(b"STARTTLS\r\n")
            self._socket = tls_context.wrap_socket(self._socket, server_hostname=host)
            self._file = self._socket.makefile("rb")
            self._command(b"EHLO bench\r\n")

    def close(self) -> None:
        """Cut the connection."""
        self._file.close()
        self._socket.close()

    def send(self, offer: bytes = _OFFER, message: bytes = _MESSAGE) -> bytes:
        """MAIL, RCPT and DATA together, then the message: by default one that was composed beforehand."""
        self._socket.sendall(offer)
        for _ in range(offer.count(b"\n")):
            self._read_reply()
        return self._command(message)

    def _command(self, data: bytes) -> bytes:
        self._socket.sendall(data)
        return self._read_reply()

    def _read_reply(self) -> bytes:
        while (line := self._file.readline())[3:4] == b"-":
            pass
        if line[:1] not in (b"2", b"3"):
            raise RuntimeError(f"the server says {line!r}")
        return line
