"""How a session is opened, by aiosmtplib: connect, EHLO, STARTTLS, sign in."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPResponseException

from worker.errors import ServerRefused, ServerTimeout, TlsFailed
from worker.mail.account import Account, Encryption
from worker.mail.command_trace import traced, traced_step
from worker.mail.connection import connect, failure_of
from worker.mail.smtp.authentication import sign_in
from worker.mail.smtp.connection import SmtpConnection
from worker.mail.smtp.replies import Reply, check_reply, check_success
from worker.mail.smtp.session import SmtpSession
from worker.mail.timeouts import Timeouts

_READY = 220


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """How sessions are opened. `helo_name`: for EHLO; without one this end's address is given."""

    tls_context: ssl.SSLContext
    timeouts: Timeouts = field(default_factory=Timeouts)
    helo_name: str | None = None


async def open_smtp_session(account: Account, *, settings: SmtpSettings) -> SmtpSession:
    """Connect, encrypt as the account asks, and sign in if it has a user name."""
    opening = _Opening(account, settings)
    try:
        await opening.connect()
        await opening.introduce()
        if account.encryption is Encryption.STARTTLS:
            await opening.start_tls()
            # Replies before TLS may come from a stranger (RFC 3207 4.2).
            await opening.introduce()
        if account.username is not None:
            await sign_in(opening.smtp, account, opening.ask)
        return opening.session()
    except BaseException:
        opening.abort()
        raise


class _Opening:
    """The steps that lead to a session, each within its limit; the caller aborts on any error."""

    def __init__(self, account: Account, settings: SmtpSettings) -> None:
        # The timeouts are enforced here: after its own timeout, aiosmtplib still sends QUIT and waits.
        self.smtp = SMTP(hostname=account.host, tls_context=settings.tls_context, timeout=None)
        self._account = account
        self._server = account.server
        self._timeouts = settings.timeouts
        self._name = settings.helo_name
        self._socket: socket.socket | None = None

    async def connect(self) -> None:
        """Connect, in TLS if the account asks for it from the first byte, and wait for the greeting."""
        self._socket = await connect(self._account, self._timeouts.connect_seconds)
        self._name = self._name or _address_literal(self._socket)
        with traced_step(self._account.protocol, self._server, "greeting"):
            check_success(self._server, await self._greeting(self._socket), _READY)

    async def introduce(self) -> None:
        """Say EHLO, or HELO to a server that does not know it, if nothing is needed that EHLO offers."""
        reply = await self.ask("EHLO", self.smtp.ehlo(hostname=self._name))
        account = self._account
        if reply.is_permanent and account.username is None and account.encryption is not Encryption.STARTTLS:
            reply = await self.ask("HELO", self.smtp.helo(hostname=self._name))
        if reply.is_permanent:
            raise ServerRefused(
                f"{self._server} refused EHLO {self._name}: {reply}; set EMAIL_WORKER_SMTP_HELO_NAME to the"
                " worker's full name.",
                server=self._server,
            )
        check_success(self._server, reply)

    async def start_tls(self) -> None:
        """Encrypt by STARTTLS (RFC 3207), or say nothing more to this server."""
        if not self.smtp.supports_extension("starttls"):
            raise TlsFailed(
                f"{self._server} does not offer STARTTLS, so nothing was sent; check the port, or choose SSL"
                " for TLS from the first byte.",
                server=self._server,
            )
        reply = await self.ask("STARTTLS", self.smtp.starttls(timeout=self._timeouts.tls_seconds))
        check_success(self._server, reply, _READY, "STARTTLS", TlsFailed)

    async def ask(self, name: str, response: Awaitable[SMTPResponse]) -> Reply:
        """Wait for the reply to the command `name`, which aiosmtplib sends."""
        timeouts = self._timeouts
        login_seconds = timeouts.login_seconds
        limits = {"STARTTLS": timeouts.tls_seconds, "AUTH": login_seconds, "SASL": login_seconds}
        with traced(self._account.protocol, self._server, name):
            return await self._reply(response, limits.get(name, timeouts.command_seconds))

    def session(self) -> SmtpSession:
        """Return the session; from now on it alone speaks and listens on the connection."""
        if self.smtp.transport is None:
            raise failure_of(self._server, ConnectionResetError())
        transport = cast("asyncio.Transport", self.smtp.transport)
        connection = SmtpConnection(self._server, transport, self._timeouts)
        return SmtpSession(connection, self.smtp.esmtp_extensions)

    def abort(self) -> None:
        """Cut the connection immediately."""
        if self.smtp.transport is not None:
            cast("asyncio.WriteTransport", self.smtp.transport).abort()
        elif self._socket is not None:
            # asyncio closes it; in TLS it would wait for the server's goodbye.
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    async def _greeting(self, connection: socket.socket) -> Reply:
        is_encrypted = self._account.encryption is Encryption.IMPLICIT
        tls_seconds, greeting_seconds = self._timeouts.tls_seconds, self._timeouts.greeting_seconds
        longest = tls_seconds + greeting_seconds  # aiosmtplib's limit for both, which the two below forestall
        connecting = self.smtp.connect(
            sock=connection,
            use_tls=is_encrypted,
            start_tls=False,
            local_hostname=self._name,  # or aiosmtplib asks DNS for one
            timeout=longest,
        )
        greeting = asyncio.create_task(connecting)
        try:
            if is_encrypted:
                await asyncio.wait([greeting], timeout=tls_seconds)
                if not (greeting.done() or self.smtp.transport):  # it has one after the handshake
                    raise failure_of(self._server, TimeoutError(), tls_seconds)
            return await self._reply(greeting, greeting_seconds)
        except ServerTimeout as error:
            if is_encrypted:
                raise
            raise ServerTimeout(
                f"{self._server} gave no greeting within {greeting_seconds:g} seconds; if it begins with TLS,"
                " choose SSL as cryptographicProtocol.",
                server=self._server,
            ) from error
        finally:
            _give_up(greeting)

    async def _reply(self, response: Awaitable[SMTPResponse], seconds: float) -> Reply:
        # Not awaited itself: aiosmtplib's `asyncio.wait_for` may swallow a cancellation (Python 3.11).
        asking = asyncio.ensure_future(response)
        try:
            await asyncio.wait([asking], timeout=seconds)
            if not asking.done():
                raise failure_of(self._server, TimeoutError(), seconds)
            received: SMTPResponse | SMTPResponseException = asking.result()
        except SMTPResponseException as refusal:
            received = refusal
        except (OSError, SMTPException) as error:
            raise failure_of(self._server, error, seconds) from error
        finally:
            _give_up(asking)
        return check_reply(self._server, Reply(received.code, tuple(received.message.split("\n"))))


def _give_up(task: asyncio.Future[SMTPResponse]) -> None:
    """Cancel the task; an error that it ends with meanwhile is not logged."""
    task.cancel()
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


def _address_literal(connection: socket.socket) -> str:
    """The address of this end, for a client without a name (RFC 5321 4.1.3)."""
    host = connection.getsockname()[0]
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]"
