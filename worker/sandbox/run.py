"""What `email-worker sandbox` does."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack

from worker.sandbox.engine import Engine
from worker.sandbox.mail_server import MailServer

USERS = (("alice@example.com", "secret"), ("bob@example.com", "secret"))


async def run_sandbox(*, engine_port: int | None, engine_only: bool, announce: Callable[[str], None]) -> None:
    """Run the engine, and the mail server unless `engine_only`, until SIGINT or SIGTERM.

    Tells the addresses through `announce`, a line at a time. Raises SandboxError when one cannot start.
    """
    async with AsyncExitStack() as running:
        engine = await running.enter_async_context(Engine.start(engine_port))
        lines = [f"Camunda engine  {engine.address} (gRPC, no TLS): ZEEBE_ADDRESS={engine.address}"]
        if not engine_only:
            lines += _describe(await running.enter_async_context(MailServer.start(USERS)))
        stopped = _stop_signal()
        for line in [*lines, "Press Ctrl-C to stop."]:
            announce(line)
        await stopped.wait()


def _stop_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _describe(mail: MailServer) -> list[str]:
    accounts = ", ".join(f"{address} (password {password})" for address, password in USERS)
    return [
        f"Mail server     {mail.host}, accounts {accounts}",
        f"  SMTP {mail.smtp_port}, with TLS {mail.smtps_port}",
        f"  POP3 {mail.pop3_port}, with TLS {mail.pop3s_port}",
        f"  IMAP {mail.imap_port}, with TLS {mail.imaps_port}",
    ]
