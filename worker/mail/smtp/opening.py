"""How a session is opened, by aiosmtplib: connect, EHLO, STARTTLS, sign in (RFC 4954)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from typing import cast

from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPResponseException

from worker.errors import (
    AuthenticationFailed,
    MailServerError,
    NotSupported,
    ProtocolViolation,
    ServerRefused,
    ServerTimeout,
    ServerUnavailable,
    TlsFailed,
)
from worker.mail.account import Account, Encryption
from worker.mail.command_trace import traced, traced_step
from worker.mail.connection import connect, failure_of
from worker.mail.sasl import token_exchange, token_refusal
from worker.mail.smtp.replies import Reply, check_reply
from worker.mail.smtp.session import SmtpSession
from worker.mail.timeouts import Timeouts
from worker.masking import excerpt

_READY, _SIGNED_IN, _DONE, _CHALLENGE, _UNKNOWN_MECHANISM = 220, 235, 250, 334, 504
# What a command may have with its spaces and its end (RFC 4954, 4): a longer response goes alone.
_MAX_LINE = 512 - 4
_MAX_TEXT = 200


async def open_smtp_session(
    account: Account, *, tls_context: ssl.SSLContext, timeouts: Timeouts, helo_name: str | None = None
) -> SmtpSession:
    """Connect, encrypt as the account asks, and sign in if it has a user name.

    `helo_name`: for EHLO; without one this end's address is given.
    """
    connection = await connect(account, timeouts.connect_seconds)
    smtp = SMTP(
        hostname=account.host,
        local_hostname=helo_name or _address_literal(connection),  # or aiosmtplib asks DNS for one
        sock=connection,
        use_tls=account.encryption is Encryption.IMPLICIT,
        start_tls=False,
        tls_context=tls_context,
        timeout=None,  # the limits are enforced here: after its own, aiosmtplib still sends QUIT and waits
    )
    opening = _Opening(smtp, account, timeouts)
    try:
        await opening.wait_for_greeting()
        await opening.introduce()
        if account.encryption is Encryption.STARTTLS:
            await opening.start_tls()
            # Replies before TLS may come from a stranger (RFC 3207 4.2).
            await opening.introduce()
        if account.username is not None:
            await opening.sign_in()
        return opening.session()
    except BaseException:
        # Not by aiosmtplib's `close`, which in TLS waits for the server's goodbye.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        raise


class _Opening:
    """The steps that lead to a session, each within its limit; who takes them cuts the line on any error."""

    def __init__(self, smtp: SMTP, account: Account, timeouts: Timeouts) -> None:
        self._smtp = smtp
        self._account = account
        self._server = account.server
        self._timeouts = timeouts

    async def wait_for_greeting(self) -> None:
        """Begin TLS if the account asks for it from the first byte, and wait for the greeting."""
        tls_seconds, seconds = self._timeouts.tls_seconds, self._timeouts.greeting_seconds
        # aiosmtplib has one limit for both, which the two here forestall.
        connecting = self._smtp.connect(timeout=tls_seconds + seconds)
        with traced_step(self._account.protocol, self._server, "greeting"), _aside(connecting) as greeting:
            if self._smtp.use_tls:
                await asyncio.wait([greeting], timeout=tls_seconds)
                if not (greeting.done() or self._smtp.transport):  # it has one after the handshake
                    raise failure_of(self._server, TimeoutError(), tls_seconds)
            else:
                await asyncio.wait([greeting], timeout=seconds)
                if not greeting.done():
                    raise ServerTimeout(
                        f"{self._server} gave no greeting within {seconds:g} seconds; if it begins with TLS,"
                        " choose SSL as cryptographicProtocol.",
                        server=self._server,
                    )
            self._require(await self._reply(greeting, seconds), _READY)

    async def introduce(self) -> None:
        """Say EHLO, or HELO to a server that does not know it, if nothing is needed that EHLO offers."""
        reply = await self._ask("EHLO", self._smtp.ehlo())
        account = self._account
        if reply.is_permanent and account.username is None and account.encryption is not Encryption.STARTTLS:
            reply = await self._ask("HELO", self._smtp.helo())
        if reply.is_permanent:
            raise ServerRefused(
                f"{self._server} refused EHLO {self._smtp.local_hostname}: {reply}; set"
                " EMAIL_WORKER_SMTP_HELO_NAME to the worker's full name.",
                server=self._server,
            )
        self._require(reply, _DONE)

    async def start_tls(self) -> None:
        """Encrypt by STARTTLS (RFC 3207), or say nothing more to this server."""
        if not self._smtp.supports_extension("starttls"):
            raise TlsFailed(
                f"{self._server} does not offer STARTTLS, so nothing was sent; check the port, or choose SSL"
                " for TLS from the first byte.",
                server=self._server,
            )
        reply = await self._ask("STARTTLS", self._smtp.starttls(timeout=self._timeouts.tls_seconds))
        self._require(reply, _READY, "STARTTLS", TlsFailed)

    async def sign_in(self) -> None:
        """Sign in by one of the mechanisms that EHLO has offered.

        Not by aiosmtplib's `login`, which tries all of them: another attempt with the same password may lock
        the account.
        """
        if self._account.token is not None:
            return await self._show_token()
        smtp, offered = self._smtp, self._smtp.server_auth_methods
        ways = [("plain", smtp.auth_plain), ("login", smtp.auth_login), ("cram-md5", smtp.auth_crammd5)]
        if self._account.encryption is Encryption.NONE:
            ways.insert(0, ways.pop())  # the one that does not show the password
        for mechanism, authenticate in ways:
            if mechanism in offered:
                attempt = authenticate(self._account.username or "", self._account.password or "")
                reply = await self._ask("AUTH", attempt)
                if reply.code != _UNKNOWN_MECHANISM:
                    return self._require(reply, _SIGNED_IN, "the sign-in", AuthenticationFailed)
        shown = excerpt(", ".join(dict.fromkeys(offered)).upper(), _MAX_TEXT)
        missing = (
            f"with user name and password (PLAIN, LOGIN or CRAM-MD5), but {shown}; ask your mail provider to"
            " allow one, such as an app password."
            if shown
            else "on this connection; check cryptographicProtocol and port, or choose authentication type"
            " noAuth if it needs none."
        )
        raise NotSupported(
            f"{self._server} offers no sign-in {missing}", server=self._server, extension="AUTH"
        )

    def session(self) -> SmtpSession:
        """Return the session; from now on it alone speaks and listens on the connection."""
        if self._smtp.transport is None:
            raise failure_of(self._server, ConnectionResetError())
        transport = cast("asyncio.Transport", self._smtp.transport)
        return SmtpSession(self._server, transport, self._timeouts, self._smtp.esmtp_extensions)

    async def _show_token(self) -> None:
        """Sign in by an access token, and ask for the reason if it is refused.

        Not by aiosmtplib's `auth_xoauth2`, which loses the reason, and puts any token in the command's line.
        """
        exchange = token_exchange(self._account, self._smtp.server_auth_methods)
        execute = self._smtp.execute_command
        words = [b"AUTH", exchange.mechanism.encode(), exchange.response]
        is_short = sum(map(len, words)) <= _MAX_LINE
        reply = await self._ask("AUTH", execute(*(words if is_short else words[:2])))
        if reply.code == _CHALLENGE and not is_short:
            reply = await self._ask("SASL", execute(exchange.response))
        challenge = b""
        if reply.code == _CHALLENGE:
            challenge = "".join(reply.lines).encode()
            reply = await self._ask("SASL", execute(exchange.last_word))
        if reply.is_permanent:
            raise token_refusal(self._server, str(reply), challenge)
        self._require(reply, _SIGNED_IN, "the sign-in", AuthenticationFailed)

    async def _ask(self, name: str, response: Awaitable[SMTPResponse]) -> Reply:
        """Wait for the reply to the command `name`, which aiosmtplib sends."""
        timeouts = self._timeouts
        limits = {"STARTTLS": timeouts.tls_seconds, **dict.fromkeys(("AUTH", "SASL"), timeouts.login_seconds)}
        with traced(self._account.protocol, self._server, name), _aside(response) as asking:
            return await self._reply(asking, limits.get(name, timeouts.command_seconds))

    async def _reply(self, asking: asyncio.Future[SMTPResponse], seconds: float) -> Reply:
        await asyncio.wait([asking], timeout=seconds)
        if not asking.done():
            raise failure_of(self._server, TimeoutError(), seconds)
        try:
            received: SMTPResponse | SMTPResponseException = asking.result()
        except SMTPResponseException as refusal:
            received = refusal
        except (OSError, SMTPException) as error:
            raise failure_of(self._server, error, seconds) from error
        return check_reply(self._server, Reply(received.code, tuple(received.message.split("\n"))))

    def _require(
        self,
        reply: Reply,
        success: int,
        asked: str = "the session",
        refusal: type[MailServerError] = ServerRefused,
    ) -> None:
        """Raise unless the server answered with the code `success`; `refusal` if it will not later either."""
        if reply.is_permanent:
            advice = "; check user name and password." if refusal is AuthenticationFailed else ""
            raise refusal(f"{self._server} refused {asked}: {reply}{advice}", server=self._server)
        if reply.is_transient:
            text = f"{self._server} refused {asked} for now: {reply}"
            raise ServerUnavailable(text, server=self._server)
        if reply.code != success:
            text = f"{self._server} gave an answer to {asked} that does not fit: {reply}"
            raise ProtocolViolation(text, server=self._server)


@contextmanager
def _aside(response: Awaitable[SMTPResponse]) -> Iterator[asyncio.Future[SMTPResponse]]:
    """Run it as a task within the block: awaited, aiosmtplib may swallow a cancellation (Python 3.11)."""
    task = asyncio.ensure_future(response)
    try:
        yield task
    finally:
        task.cancel()
        # An error that it ends with meanwhile is not logged.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


def _address_literal(connection: socket.socket) -> str:
    """The address of this end, for a client without a name (RFC 5321 4.1.3)."""
    host = connection.getsockname()[0]
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]"
