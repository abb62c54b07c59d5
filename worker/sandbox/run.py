"""What `email-worker sandbox` does."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeAlias, TypeVar

from worker.sandbox.certificate import LocalCertificate, local_certificate
from worker.sandbox.engine import Engine
from worker.sandbox.errors import SandboxError
from worker.sandbox.mail_server import MailServer
from worker.sandbox.ports import is_free
from worker.sandbox.rest import rest_api
from worker.sandbox.story import Story

T = TypeVar("T")
_Usual: TypeAlias = Callable[[int], int]  # a usual port -> the port to start at, 0 for a free one

USERS = (("alice@example.com", "sandbox-password"), ("bob@example.com", "sandbox-password"))

_GATEWAY_PORT, _REST_PORT = 26500, 8080
MAIL_PORTS = {"smtp": 3025, "pop3": 3110, "imap": 3143, "smtps": 3465, "imaps": 3993, "pop3s": 3995}
_HERE = "127.0.0.1"
_LOOK_SECONDS = 1.0


async def run_sandbox(
    *,
    engine_port: int | None,
    engine_only: bool,
    announce: Callable[[str], None],
    job_types: Sequence[str] = (),
) -> None:
    """Run the engine, and the mail server unless `engine_only`, until SIGINT or SIGTERM.

    Prints the addresses and then what happens, through `announce`, a line at a time. `job_types`: those of
    the email worker. Raises SandboxError if one cannot start or ends by itself.
    """
    async with AsyncExitStack() as running:
        engine = await _started(running, lambda usual: _engine(engine_port, usual))
        rest_address = await _started(running, lambda usual: rest_api(engine, _HERE, usual(_REST_PORT)))
        lines = [
            f"Camunda engine  {engine.address} (gRPC, no TLS): ZEEBE_ADDRESS={engine.address}",
            f"  REST API, for start --wait and attachments: ZEEBE_REST_ADDRESS={rest_address}",
            *_other_port("the gateway", engine_port or _GATEWAY_PORT, engine.address),
            *_other_port("the REST API", _REST_PORT, rest_address),
        ]
        services: list[Engine | MailServer] = [engine]
        if not engine_only:
            certificate = await asyncio.to_thread(local_certificate)
            mail = await _started(running, lambda usual: _mail_server(certificate, usual))
            services.append(mail)
            lines += _describe(mail, certificate)
        stopped = stop_signal()
        for line in (*lines, "Press Ctrl-C to stop. What happens in the engine:"):
            announce(line)
        story = Story(announce, engine.variables, job_types)
        engine.listen(story.add)
        await _tell_story(story, services, stopped)


async def _started(running: AsyncExitStack, start: Callable[[_Usual], AbstractAsyncContextManager[T]]) -> T:
    """Start a service at the usual ports that are free.

    Between the look and the start another process may take one: then it is started at free ports alone.
    """
    try:
        return await running.enter_async_context(start(_usual_or_free))
    except SandboxError:
        return await running.enter_async_context(start(lambda _port: 0))


def _usual_or_free(port: int) -> int:
    return port if is_free(port) else 0


def _engine(port: int | None, usual: _Usual) -> AbstractAsyncContextManager[Engine]:
    if port is not None and not is_free(port):
        raise SandboxError(f"Port {port} is taken; choose another one, or leave out --port.")
    return Engine.start(usual(_GATEWAY_PORT) if port is None else port)


def _mail_server(certificate: LocalCertificate, usual: _Usual) -> AbstractAsyncContextManager[MailServer]:
    ports = {protocol: usual(port) for protocol, port in MAIL_PORTS.items()}
    return MailServer.start(USERS, ports, keystore=certificate.keystore)


async def _tell_story(story: Story, services: Sequence[Engine | MailServer], stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        for service in services:
            service.check()
        story.look_for_waiting_jobs()
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await stopped.wait()
        except TimeoutError:
            continue


def _other_port(service: str, usual: int, address: str) -> Iterator[str]:
    port = address.rpartition(":")[2]
    if port != str(usual):
        yield f"  Port {usual} is taken: {service} listens at {port} instead."


def stop_signal() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set from now on."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _describe(mail: MailServer, certificate: LocalCertificate) -> Iterator[str]:
    accounts = ", ".join(f"{address} (password {password})" for address, password in USERS)
    yield f"Mail server     {mail.host}, accounts {accounts}"
    yield f"  SMTP {mail.smtp_port}, with TLS {mail.smtps_port}"
    yield f"  POP3 {mail.pop3_port}, with TLS {mail.pop3s_port}"
    yield f"  IMAP {mail.imap_port}, with TLS {mail.imaps_port}"
    yield f"  To trust its certificate: EMAIL_WORKER_TLS_CA_FILE={certificate.ca_file}"
    for protocol, usual in MAIL_PORTS.items():
        yield from _other_port(protocol.upper(), usual, f":{getattr(mail, f'{protocol}_port')}")
    yield "  It is GreenMail, which differs from other mail servers:"
    yield "  - no STARTTLS: use cryptographicProtocol NONE, or SSL with the ports for TLS"
    yield "  - an IMAP search by FROM, TO or CC finds whole addresses only: alice@example.com, not alice"
    yield "  - an IMAP search by BODY is case-sensitive"
    yield "  - IMAP searches by LARGER and SMALLER are refused, those by ON and SENTON find nothing"
    yield "  - the size of an email in IMAP is that of its body alone, also when a list is sorted by SIZE"
