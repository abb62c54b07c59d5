"""A session with an SMTP server (RFC 5321): opened and signed in once, then one message after another."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from worker.errors import (
    ConnectionFailed,
    EmailError,
    MailServerError,
    NotSupported,
    ProtocolViolation,
    SendOutcomeUnknown,
    ServerRefused,
    ServerUnavailable,
    TlsFailed,
)
from worker.mail.account import Account, Encryption
from worker.mail.message.compose import ComposedMessage
from worker.mail.smtp.delivery import Delivery, Offer, judge_message, judge_refused_offer
from worker.mail.smtp.login import sign_in
from worker.mail.smtp.wire import Reply, SmtpWire, connect, parse_extensions
from worker.mail.timeouts import Timeouts

Check = Callable[[], None]

_FAREWELL_SECONDS = 2.0
# What goes together with the end of a message: what the operating system takes at once.
_LAST_BYTES = 16 * 1024
_INTERMEDIATE = 3  # the first digit of a reply that is no verdict


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """How sessions are opened. `local_hostname`: for EHLO; without one this end's address is given."""

    tls_context: ssl.SSLContext
    timeouts: Timeouts = field(default_factory=Timeouts)
    local_hostname: str | None = None


async def open_smtp_session(account: Account, *, settings: SmtpSettings) -> SmtpSession:
    """Connect, encrypt as the account asks, and sign in where it has a user name."""
    wire = await connect(account, timeouts=settings.timeouts, tls_context=settings.tls_context)
    try:
        _check(account.server, await wire.read_greeting())
        name = settings.local_hostname or wire.local_address
        extensions = await _introduce(wire, account.server, name)
        if account.encryption is Encryption.STARTTLS:
            await _start_tls(wire, account.server, extensions, settings.tls_context)
            # What was said before TLS may have been a stranger's word (RFC 3207 4.2).
            extensions = await _introduce(wire, account.server, name)
        if account.username is not None:
            async with wire.limit(settings.timeouts.login_seconds):
                await sign_in(wire, account, extensions.get("auth", ""))
    except BaseException:
        wire.abort()
        raise
    return SmtpSession(account.server, wire, extensions)


class SmtpSession:
    """A session ready to send. `extensions`: what EHLO has offered, in lower case, with parameters."""

    def __init__(self, server: str, wire: SmtpWire, extensions: dict[str, str]) -> None:
        self._server = server
        self._wire = wire
        self._extensions = extensions
        self._may_repeat = True
        self._has_served = False
        self._is_half_way = False

    @property
    def is_usable(self) -> bool:
        """Whether the next message may be sent."""
        return self._wire.is_connected

    @property
    def may_repeat(self) -> bool:
        """Whether no message has been handed over since the session was taken from the pool."""
        return self._may_repeat

    def begin(self) -> None:
        """Note that the session has been taken from the pool."""
        self._may_repeat = True

    async def close(self) -> None:
        """Sign off within two seconds. Never raises."""
        with suppress(EmailError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._wire.call("QUIT")
        self.abort()

    def abort(self) -> None:
        """Cut the connection at once. Never raises."""
        self._wire.abort()

    async def send(self, message: ComposedMessage, check_before_end: Check = lambda: None) -> Delivery:
        """Hand one message over: MAIL, RCPT for each recipient, DATA, the message.

        `check_before_end` is called right before the end of the message: if it raises, nothing is sent.

        Raises SendOutcomeUnknown where the connection broke between the end of the message and the reply,
        or the work was cancelled there. Any other error means that the message was not taken.
        """
        self._check_smtputf8(message)
        offer = await self._offer_on_open_connection(message)
        if not offer.is_accepted:
            if offer.awaits_message:
                # Commands sent together: DATA is granted for nobody, and only a cut says "no message".
                self.abort()
            return judge_refused_offer(self._server, message.recipients, offer)
        verdict = await self._hand_over(message, check_before_end)
        self._is_half_way = False
        return judge_message(self._server, message.recipients, offer, verdict)

    def _check_smtputf8(self, message: ComposedMessage) -> None:
        if message.smtputf8_mailboxes and "smtputf8" not in self._extensions:
            raise NotSupported(
                f"{self._server} cannot take the address {message.smtputf8_mailboxes[0]}: it lacks SMTPUTF8,"
                " which addresses with letters beyond ASCII before the @ need.",
                server=self._server,
                extension="SMTPUTF8",
            )

    async def _offer_on_open_connection(self, message: ComposedMessage) -> Offer:
        was_half_way, self._is_half_way = self._is_half_way, True
        try:
            if was_half_way:
                _check(self._server, await self._wire.call("RSET"))
            return await self._offer(message)
        except ServerUnavailable as error:
            if not self._has_served:
                raise
            # A server that has had enough of this connection may well take the message on another.
            raise ConnectionFailed(error.message, server=self._server) from error
        finally:
            self._has_served = True

    async def _offer(self, message: ComposedMessage) -> Offer:
        """Name sender and recipients and ask for DATA, in one go where the server takes that (RFC 2920)."""
        mail = self._mail_command(message)
        recipients = [f"RCPT TO:<{mailbox}>" for mailbox in message.recipients]
        if "pipelining" in self._extensions:
            self._wire.write(mail, *recipients, "DATA")
            sender, *replies = [await self._wire.read() for _ in range(len(recipients) + 2)]
            return Offer(sender, tuple(replies[:-1]), replies[-1])
        sender = await self._wire.call(mail)
        if not sender.is_positive:
            return Offer(sender)
        answers = tuple([await self._wire.call(command) for command in recipients])
        if not any(answer.is_positive for answer in answers):
            return Offer(sender, answers)
        return Offer(sender, answers, await self._wire.call("DATA"))

    def _mail_command(self, message: ComposedMessage) -> str:
        command = f"MAIL FROM:<{message.envelope_from}>"
        if "size" in self._extensions:  # RFC 1870
            command += f" SIZE={len(message.content)}"
        if message.smtputf8_mailboxes:
            command += " SMTPUTF8"
            if "8bitmime" in self._extensions:  # which RFC 6531 asks to be offered with it
                command += " BODY=8BITMIME"
        return command

    async def _hand_over(self, message: ComposedMessage, check_before_end: Check) -> Reply:
        """Send the message and its end: before the end nothing is sent, after it only the server knows."""
        content = _dot_stuffed(message.content)
        rest = max(0, len(content) - _LAST_BYTES)
        if rest:
            await self._wire.send_content(memoryview(content)[:rest])
        try:
            check_before_end()
        except BaseException:
            self.abort()  # the only way to take back what has no end yet
            raise
        self._wire.write_end(content[rest:])
        self._may_repeat = False
        try:
            verdict = await self._wire.read_verdict()
        except ServerUnavailable:  # a reply, and it says no
            raise
        except (MailServerError, asyncio.CancelledError) as error:
            raise self._outcome_unknown(message) from error
        if verdict.code // 100 == _INTERMEDIATE:
            self.abort()
            raise self._outcome_unknown(message)
        return verdict

    def _outcome_unknown(self, message: ComposedMessage) -> SendOutcomeUnknown:
        return SendOutcomeUnknown(
            f"{self._server} got the whole message {message.message_id}, but its answer was lost: it may have"
            " been sent, so it is not sent again.",
            server=self._server,
            messageId=message.message_id,
        )


async def _introduce(wire: SmtpWire, server: str, name: str) -> dict[str, str]:
    """Say EHLO, or HELO to a server that does not know it, and return the extensions offered."""
    reply = await wire.call(f"EHLO {name}")
    if reply.is_permanent:
        reply = await wire.call(f"HELO {name}")
        _check(server, reply)
        return {}
    _check(server, reply)
    return parse_extensions(reply)


async def _start_tls(
    wire: SmtpWire, server: str, extensions: dict[str, str], tls_context: ssl.SSLContext
) -> None:
    """Encrypt by STARTTLS (RFC 3207), or say nothing more to this server."""
    if "starttls" not in extensions:
        raise TlsFailed(
            f"{server} does not offer STARTTLS, so nothing was sent; check the port, or choose SSL for TLS"
            " from the first byte.",
            server=server,
        )
    reply = await wire.call("STARTTLS")
    if reply.is_transient:
        raise ServerUnavailable(f"{server} cannot start TLS now: {reply}", server=server)
    if not reply.is_positive:
        raise TlsFailed(f"{server} refused STARTTLS, so nothing was sent: {reply}", server=server)
    await wire.encrypt(tls_context)


def _check(server: str, reply: Reply) -> None:
    if reply.is_transient:
        raise ServerUnavailable(f"{server} is not ready: {reply}", server=server)
    if reply.is_permanent:
        raise ServerRefused(f"{server} refused the session: {reply}", server=server)
    if not reply.is_positive:
        raise ProtocolViolation(f"{server} gave an answer that does not fit: {reply}", server=server)


def _dot_stuffed(content: bytes) -> bytes:
    """Double the dot at the start of a line, so that it is not taken for the end (RFC 5321 4.5.2)."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed
