"""An SMTP server that takes every mail and keeps none, for what smtp-sink of Postfix cannot do.

`python -m bench.sink PORT [--certificate CHAIN KEY] [--verdict-seconds N]`
"""

from __future__ import annotations

import argparse
import asyncio
import ssl

_LONGEST_MESSAGE = 1 << 26
_GREETING = b"250-sink\r\n"
_CAPABILITIES = b"250-PIPELINING\r\n250 SIZE\r\n"


class Sink:
    """Answers every session alike. `verdict_seconds`: how long it thinks about each message."""

    def __init__(self, tls_context: ssl.SSLContext | None, verdict_seconds: float) -> None:
        self._tls_context = tls_context
        self._verdict_seconds = verdict_seconds

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry on one session to its end."""
        try:
            writer.write(b"220 sink\r\n")
            while line := await reader.readline():
                await self._answer(line.rstrip().upper(), reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        verb = line[:4]
        if verb == b"EHLO":
            is_in_the_clear = writer.get_extra_info("sslcontext") is None
            offers_tls = self._tls_context is not None and is_in_the_clear
            writer.write(_GREETING + (b"250-STARTTLS\r\n" if offers_tls else b"") + _CAPABILITIES)
        elif line == b"STARTTLS" and self._tls_context is not None:
            writer.write(b"220 go\r\n")
            await writer.start_tls(self._tls_context)
        elif verb == b"DATA":
            writer.write(b"354 go\r\n")
            await reader.readuntil(b"\r\n.\r\n")
            if self._verdict_seconds:
                await asyncio.sleep(self._verdict_seconds)
            writer.write(b"250 taken\r\n")
        elif verb == b"QUIT":
            writer.write(b"221 bye\r\n")
            writer.close()
        else:
            writer.write(b"250 ok\r\n")


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
    sink = Sink(tls_context, options.verdict_seconds)
    server = await asyncio.start_server(sink.serve, "127.0.0.1", options.port, limit=_LONGEST_MESSAGE)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
