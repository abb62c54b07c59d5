"""A session with an SMTP server (RFC 5321), ready to send one message after another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from worker.errors import (
    ConnectionFailed,
    EmailError,
    MailServerError,
    NotSupported,
    ProtocolViolation,
    SendOutcomeUnknown,
    ServerUnavailable,
)
from worker.event_loop import finish_in_thread
from worker.mail.message.compose import ComposedMessage
from worker.mail.smtp.connection import SmtpConnection
from worker.mail.smtp.replies import Delivery, Offer, Recipients, Reply
from worker.mail.timeouts import Timeouts

_FAREWELL_SECONDS = 2.0
# Sent together with the end of a message: what the operating system accepts in one call.
_LAST_BYTES = 16 * 1024
# So many that reading their replies does not make other work wait.
_COMMANDS_TOGETHER = 100
_INTERMEDIATE = 3  # the first digit of a reply that is no verdict

Check = Callable[[], None]


class SmtpSession(SmtpConnection):
    """A session ready to send. `extensions`: what EHLO has offered, in lower case, with parameters."""

    def __init__(
        self, server: str, transport: asyncio.Transport, timeouts: Timeouts, extensions: Mapping[str, str]
    ) -> None:
        super().__init__(server, transport, timeouts)
        self._extensions = extensions
        self._is_half_way = False
        self.begin()

    def begin(self) -> None:
        """Note that the session has been taken from the pool."""
        self.may_repeat = True  # no message has been sent since

    async def close(self) -> None:
        """Sign off within two seconds. Never raises."""
        with suppress(EmailError):
            await self.call("QUIT", _FAREWELL_SECONDS)
        self.abort()

    async def send(
        self, message: ComposedMessage, delivered: set[str], check_before_end: Check = lambda: None
    ) -> Delivery:
        """Transfer one message: MAIL, RCPT for each recipient, DATA, the message.

        Recipients over the server's limit get it in further transactions. `delivered`: who has it already;
        grows as the server accepts it. `check_before_end` is called right before the end of the message: if
        it raises, nothing is sent. Raises SendOutcomeUnknown if the connection broke between the end of the
        message and the reply, or the work was cancelled there. Any other error means that nobody but
        `delivered` gets it.
        """
        self._check_extensions(message)
        recipients = Recipients(self.server, message.recipients, delivered)
        is_stray = False
        while not is_stray and (batch := recipients.next_batch()):
            offer = await self._offer(message, batch)
            verdict = await self._hand_over(message, check_before_end) if offer.is_accepted else None
            # Commands were sent together: DATA is accepted without recipients. A cut says "no message".
            is_stray = offer.awaits_message and not offer.is_accepted
            if is_stray:
                self.abort()
            try:
                recipients.note(batch, offer, verdict)
            except MailServerError:
                self.abort()  # it may have grown old, or lost its sign-in: a new one does better
                raise
        is_long = len(message.recipients) > _COMMANDS_TOGETHER
        return await finish_in_thread(recipients.delivery) if is_long else recipients.delivery()

    def _check_extensions(self, message: ComposedMessage) -> None:
        if message.notify:
            self._require("DSN", "notify of the delivery (notify)")
        if message.smtputf8_mailboxes:
            address = message.smtputf8_mailboxes[0]
            self._require("SMTPUTF8", f"take the address {address}, with letters beyond ASCII before the @")

    def _require(self, extension: str, purpose: str) -> None:
        if extension.lower() not in self._extensions:
            text = f"{self.server} cannot {purpose}: it lacks {extension}."
            raise NotSupported(text, server=self.server, extension=extension)

    async def _offer(self, message: ComposedMessage, batch: Sequence[str]) -> Offer:
        """Name sender and recipients and send DATA, together if the server accepts that (RFC 2920)."""
        if self._is_half_way and not (await self.call("RSET")).is_positive:
            self.abort()
            raise ConnectionFailed(f"{self.server} refused RSET.", server=self.server)
        self._is_half_way = True
        recipients = [_recipient_command(message, mailbox) for mailbox in batch]
        commands = [self._mail_command(message), *recipients, "DATA"]
        most = _COMMANDS_TOGETHER if "pipelining" in self._extensions else 1
        before_data = len(commands) - 1
        replies: list[Reply] = []
        for start in range(0, len(commands), most):
            together = commands[start : start + most]
            self.write(*together)
            replies += [await self.read() for _ in together]
            if not replies[0].is_positive:
                break
            if len(replies) == before_data and not any(reply.is_positive for reply in replies[1:]):
                break
        return Offer(replies[0], tuple(replies[1:before_data]), *replies[before_data:])

    def _mail_command(self, message: ComposedMessage) -> str:
        command = f"MAIL FROM:<{message.envelope_from}>"
        if "size" in self._extensions:  # RFC 1870
            command += f" SIZE={len(message.content)}"
        if message.notify:  # RFC 3461, 4.3 and 4.4
            command += f" RET=HDRS ENVID={_xtext(message.message_id.strip('<>'))}"
        if message.smtputf8_mailboxes:
            command += " SMTPUTF8"
            if "8bitmime" in self._extensions:  # which RFC 6531 asks to be offered with it
                command += " BODY=8BITMIME"
        return command

    async def _hand_over(self, message: ComposedMessage, check_before_end: Check) -> Reply:
        """Send the message and its end: before the end nothing is sent, after it only the server knows."""
        content = _dot_stuffed(message.content)
        await self.send_content(memoryview(content)[:-_LAST_BYTES], check_before_end)
        self.write(".", content=content[-_LAST_BYTES:])
        self.may_repeat = False
        try:
            verdict = await self.read(self.timeouts.transfer_seconds)
            if verdict.code // 100 == _INTERMEDIATE:
                raise ProtocolViolation(f"{self.server} gave no verdict: {verdict}", server=self.server)
        except ServerUnavailable:  # a reply, and it says no
            raise
        except (MailServerError, asyncio.CancelledError) as error:
            self.abort()
            raise SendOutcomeUnknown(
                f"{self.server} got the whole message {message.message_id}, but its answer was lost: it may"
                " have been sent, so it is not sent again.",
                server=self.server,
                messageId=message.message_id,
            ) from error
        self._is_half_way = False
        return verdict


def _recipient_command(message: ComposedMessage, mailbox: str) -> str:
    command = f"RCPT TO:<{mailbox}>"
    if message.notify:
        command += f" NOTIFY={message.notify}"
        if mailbox.isascii():
            command += f" ORCPT=rfc822;{_xtext(mailbox)}"
    return command


def _xtext(text: str) -> str:
    """Encode a parameter's value (RFC 3461, 4)."""
    return re.sub(r"[^!-*,-<>-~]", lambda found: f"+{ord(found[0]):02X}", text)


def _dot_stuffed(content: bytes) -> bytes:
    """Double the dot at the start of a line, so that it is not taken for the end (RFC 5321 4.5.2)."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed
