"""An SMTP server that takes every mail and keeps none, for what smtp-sink of Postfix cannot do.

`python -m bench.sink PORT [--certificate CHAIN KEY] [--verdict-seconds N]`

It answers commands that come together in one go, as RFC 2920, 3.2 asks servers to.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
from typing import cast

_END = b"\r\n.\r\n"
_GREETING = b"250-sink\r\n"
_CAPABILITIES = b"250-PIPELINING\r\n250 SIZE\r\n"


class Sink(asyncio.Protocol):
    """One session. `verdict_seconds`: how long it thinks about each message."""

    def __init__(self, tls_context: ssl.SSLContext | None, verdict_seconds: float) -> None:
        self._tls_context = tls_context
        self._verdict_seconds = verdict_seconds
        self._unread = bytearray()
        self._is_message = False
        self._handshake: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer all that is there, but for what comes in TLS before there is a way to answer in it."""
        self._unread += data
        if self._handshake is not None and not self._handshake.done():
            return
        answers = b""
        while (end := self._end_of_next()) > 0:
            taken = bytes(self._unread[:end])
            del self._unread[:end]
            if self._is_message:
                self._is_message = False
                answers += self._verdict()
            else:
                answers += self._answer(taken.rstrip().upper())
        self._transport.write(answers)
        if answers.startswith(b"221"):
            self._transport.close()

    def _verdict(self) -> bytes:
        taken = b"250 taken\r\n"
        if self._verdict_seconds:
            asyncio.get_running_loop().call_later(self._verdict_seconds, self._transport.write, taken)
            return b""
        return taken

    def _end_of_next(self) -> int:
        mark = _END if self._is_message else b"\n"
        found = self._unread.find(mark)
        return found + len(mark) if found >= 0 else -1

    def _answer(self, line: bytes) -> bytes:
        match line[:4]:
            case b"EHLO":
                offers_tls = self._tls_context is not None and self._handshake is None
                return _GREETING + (b"250-STARTTLS\r\n" if offers_tls else b"") + _CAPABILITIES
            case b"STAR" if self._tls_context is not None:
                # What comes next is for TLS alone.
                self._transport.pause_reading()
                self._handshake = asyncio.create_task(self._encrypt(self._tls_context))
                self._handshake.add_done_callback(lambda _: self.data_received(b""))
                return b"220 go\r\n"
            case b"DATA":
                self._is_message = True
                return b"354 go\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
            case _:
                return b"250 ok\r\n"

    async def _encrypt(self, tls_context: ssl.SSLContext) -> None:
        transport = await asyncio.get_running_loop().start_tls(
            self._transport, self, tls_context, server_side=True
        )
        self._transport = cast("asyncio.Transport", transport)


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--certificate", nargs=2)
    parser.add_argument("--verdict-seconds", type=float, default=0.0)
    options = parser.parse_args()
    tls_context = None
    if options.certificate:
        tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls_context.load_cert_chain(*options.certificate)
    server = await asyncio.get_running_loop().create_server(
        lambda: Sink(tls_context, options.verdict_seconds), "127.0.0.1", options.port
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
