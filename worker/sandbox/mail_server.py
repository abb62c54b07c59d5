"""A mail server (GreenMail) in a separate process: SMTP, POP3 and IMAP, plain and with TLS."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.sandbox.child import Child, Listener, Service
from worker.sandbox.errors import SandboxError
from worker.sandbox.jars import class_path
from worker.sandbox.ports import reserved_port

_HOST = "127.0.0.1"
_PLAIN = ("smtp", "pop3", "imap")
_ENCRYPTED = ("smtps", "pop3s", "imaps")


@dataclass(frozen=True)
class Keystore:
    """A PKCS #12 file with the certificate and key that the TLS ports show, and its password."""

    path: Path
    password: str


class MailServer(Service):
    """A running mail server. Users sign in with their whole address; SMTP needs no sign-in.

    There is no STARTTLS: the ports are plain, or speak TLS from the first byte (`smtps_port` and so on).
    """

    name = "mail server"
    host = _HOST
    smtp_port: int
    smtps_port: int
    pop3_port: int
    pop3s_port: int
    imap_port: int
    imaps_port: int

    def __init__(self, arguments: dict[str, Any], ports: Mapping[str, int]) -> None:
        super().__init__()
        self._arguments = arguments
        self._ports = ports
        for protocol, port in ports.items():
            setattr(self, f"{protocol}_port", port)
        self._arrival = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        users: Sequence[tuple[str, str]] = (),
        ports: Mapping[str, int] | None = None,
        *,
        tls: bool = True,
        keystore: Keystore | None = None,
    ) -> AsyncIterator[MailServer]:
        """Run a mail server until the context ends; `users` are (address, password).

        `ports` maps smtp, smtps, pop3, pop3s, imap, imaps to ports, each else a free one. Without a
        keystore the TLS ports show a self-signed certificate that no client trusts.
        """
        jars = await asyncio.to_thread(class_path, "mail")
        arguments = {
            "class_path": [str(jar) for jar in jars],
            "users": list(users),
            "keystore": keystore and (str(keystore.path), keystore.password),
        }
        protocols = _PLAIN + (_ENCRYPTED if tls else ())
        wanted = dict.fromkeys(protocols, 0) | dict(ports or {})
        with ExitStack() as reserved:
            taken = {
                name: reserved.enter_context(reserved_port(port, _HOST)) for name, port in wanted.items()
            }
            async with cls(arguments, taken) as server:
                yield server

    async def restart(self) -> None:
        """Run a new server with the same users and ports and empty mailboxes."""
        await self.kill()
        arguments = {**self._arguments, "ports": self._ports}
        listener = Listener(self._tell_waiters, self._tell_waiters)
        self._child = await Child.start(self.name, arguments, listener)

    async def messages(self, user: str) -> list[bytes]:
        """Give the inbox of a user, oldest first, each email as it was received."""
        return [base64.b64decode(content) for content in await self._running.ask("messages", user=user)]

    async def wait_for(self, user: str, count: int = 1, *, within_seconds: float = 30) -> list[bytes]:
        """Wait until the inbox of one of `users` contains `count` emails; returns all of them."""
        messages: list[bytes] = []
        try:
            async with asyncio.timeout(within_seconds):
                while True:
                    arrival = self._arrival
                    messages = await self.messages(user)
                    if len(messages) >= count:
                        return messages
                    await arrival.wait()
        except TimeoutError as error:
            raise SandboxError(
                f"{user} has {len(messages)} emails after {within_seconds:g} s, not {count}."
            ) from error

    async def deliver(self, user: str, content: bytes) -> None:
        """Put an email into a user's inbox, as if it had come by SMTP."""
        await self._running.ask("deliver", user=user, content=base64.b64encode(content).decode())

    def _tell_waiters(self, _news: object) -> None:
        # Each waiter keeps the event that it checked, so none can take the news from another.
        self._arrival.set()
        self._arrival = asyncio.Event()
