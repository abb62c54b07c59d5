"""Stands in for axllent/mailpit: GreenMail, and of Mailpit's web API what the tests ask for.

Ports: 1025 (SMTP), 1143 (IMAP), 1110 (POP3) and 8025 (web). Unlike Mailpit it knows its users and checks
their passwords.
"""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy
from typing import Any

from container.standin.stopping import until_stopped
from container.standin.web import serve_pages

from worker.sandbox import MailServer

USERS = [("orders@example.com", "mail-password"), ("jane@example.com", "mail-password")]


async def main() -> None:
    """Run until SIGTERM."""
    async with MailServer.start(USERS, tls=False) as server:

        async def messages() -> dict[str, Any]:
            received = [mail for user, _ in USERS for mail in await server.messages(user)]
            return {"total": len(received), "messages": [describe(mail) for mail in received]}

        for port, local_port in (
            (1025, server.smtp_port),
            (1143, server.imap_port),
            (1110, server.pop3_port),
        ):
            await relay(port, local_port)
        await serve_pages(8025, {"/readyz": ready, "/api/v1/messages": messages})
        await until_stopped()


async def ready() -> str:
    """Say that the server is up: there is nothing to wait for once the page is served."""
    return "ok"


def describe(mail: bytes) -> dict[str, str]:
    """A mail as Mailpit lists it: the Message-ID comes without its angle brackets."""
    message = message_from_bytes(mail, policy=policy.default)
    return {"MessageID": message["Message-ID"].strip("<>"), "Subject": message["Subject"]}


async def relay(port: int, local_port: int) -> None:
    """Pass connections from every interface on to the sandbox's server, which listens on this host alone."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", local_port)
        await asyncio.gather(pump(reader, server_writer), pump(server_reader, writer))

    await asyncio.start_server(connect, "0.0.0.0", port)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side closes or breaks."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


asyncio.run(main())
