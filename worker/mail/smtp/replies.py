"""Replies of an SMTP server, and what they mean for a connection, a message and its recipients. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from worker.errors import (
    AuthenticationFailed,
    MessageRefused,
    ProtocolViolation,
    RecipientRefused,
    ServerUnavailable,
    TlsFailed,
)
from worker.masking import excerpt
from worker.models.smtp import Refusal, RefusedRecipient

# What is no reply is given this code, as aiosmtplib does.
NO_REPLY = -1
_REPLY_CODES = range(200, 600)
_CLOSING = 421  # RFC 5321 3.8: the server closes the connection, after any command
_START_INPUT = 354
_SIGN_IN_NEEDED = frozenset({530, 534, 535, 538})  # RFC 4954 6
# RFC 5321 4.5.3.1.10: too many recipients, of which 552 is the older sign.
_TOO_MANY = frozenset({452, 552})
_MAX_TEXT = 1000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3} ")


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer: three digits and the text of its lines, as the server wrote it."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one, fit for a message, their status (RFC 2034) said once."""
        first, *others = [_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", line.strip()) for line in self.lines]
        status = _STATUS.match(first)
        repeated = status[0] if status else ""
        text = " ".join([first, *(line.removeprefix(repeated) for line in others)])
        return excerpt(text, _MAX_TEXT)

    @property
    def is_positive(self) -> bool:
        """Whether the command was done (2yz, RFC 5321 4.2.1)."""
        return self.code // 100 == 2  # noqa: PLR2004 - the classes of reply codes

    @property
    def is_transient(self) -> bool:
        """Whether the command was refused for now (4yz)."""
        return self.code // 100 == 4  # noqa: PLR2004 - the classes of reply codes

    @property
    def is_permanent(self) -> bool:
        """Whether the command was refused permanently (5yz)."""
        return self.code // 100 == 5  # noqa: PLR2004 - the classes of reply codes

    def __str__(self) -> str:
        return self.text if self.code == NO_REPLY else f"{self.code} {self.text}".rstrip(" .")


def check_reply(server: str, reply: Reply) -> Reply:
    """Return a reply that answers a command. Raises if it is no reply, or ends the connection."""
    if reply.code not in _REPLY_CODES:
        text = f"{server} does not speak SMTP: it answered “{reply}”; check host and port."
        raise ProtocolViolation(text, server=server)
    if reply.code == _CLOSING:
        raise ServerUnavailable(f"{server} closes the connection: {reply}", server=server)
    return reply


@dataclass(frozen=True, slots=True)
class Delivery:
    """The final word on one message. `refusal`: why the server did not take it for anybody."""

    is_sent: bool
    refused_recipients: tuple[RefusedRecipient, ...] = ()
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """The replies to MAIL, to each RCPT, and to DATA."""

    sender: Reply
    recipients: tuple[Reply, ...] = ()
    data: Reply = Reply(NO_REPLY, ("",))

    @property
    def awaits_message(self) -> bool:
        """Whether the server takes what comes next for the message."""
        return self.data.code == _START_INPUT

    @property
    def is_accepted(self) -> bool:
        """Whether the message may be sent: at least one recipient was accepted."""
        return (
            self.awaits_message
            and self.sender.is_positive
            and any(reply.is_positive for reply in self.recipients)
        )


class Recipients:
    """The recipients of one message, from the first transaction to the last.

    `delivered`: who has the message, from earlier attempts too; grows as soon as the server says so.
    """

    def __init__(self, server: str, recipients: Sequence[str], delivered: set[str]) -> None:
        self._server = server
        self._recipients = recipients
        self._delivered = delivered
        self._waiting = [recipient for recipient in recipients if recipient not in delivered]
        self._most_at_once = len(recipients)
        self._refused: dict[str, Reply] = {}  # permanently, or for now
        self._refusal: Reply | None = None  # of the message itself, permanently

    def next_batch(self) -> list[str]:
        """Return the recipients of the next transaction; empty if none is left."""
        batch, self._waiting = self._waiting[: self._most_at_once], self._waiting[self._most_at_once :]
        return batch

    def note(self, batch: Sequence[str], offer: Offer, verdict: Reply | None) -> None:
        """Take the replies of a transaction. `verdict`: to the message, None if it was not sent.

        Raises MessageRefused if the server does not take the message itself for now.
        """
        replies = dict(zip(batch, offer.recipients, strict=False)) if offer.sender.is_positive else {}
        accepted = [recipient for recipient, reply in replies.items() if reply.is_positive]
        self._refused |= {recipient: reply for recipient, reply in replies.items() if not reply.is_positive}
        self._refusal = _refusal_of_message(self._server, offer, verdict, is_wanted=bool(accepted))
        if self._refusal:
            self._waiting = []
        elif accepted:
            self._delivered.update(accepted)
            too_many = [each for each in batch if each in self._refused and _is_limit(self._refused[each])]
            if too_many:
                self._waiting = too_many + self._waiting
                self._most_at_once = len(accepted)
            for recipient in too_many:
                del self._refused[recipient]

    def delivery(self) -> Delivery:
        """Return the result of the message; raises RecipientRefused if another attempt may reach more."""
        deferred = [recipient for recipient, reply in self._refused.items() if not reply.is_permanent]
        missing = [*deferred, *self._waiting]
        refusal = None
        if self._refusal and not self._delivered:
            refusal = Refusal(code=self._refusal.code, message=self._refusal.text)
        elif missing:
            reply = self._refused[[*deferred, *self._refused][0]]
            takes = f"does not take {missing[0]}" if self._delivered else "takes none of the recipients"
            raise RecipientRefused(
                f"{self._server} {takes} now: {reply}",
                server=self._server,
                refusedRecipients=[recipient.to_variables() for recipient in self._not_taken()],
            )
        return Delivery(bool(self._delivered), self._not_taken(), refusal)

    def _not_taken(self) -> tuple[RefusedRecipient, ...]:
        of_all = self._refusal if self._delivered else None
        others = [recipient for recipient in self._recipients if recipient not in self._delivered]
        replies = {recipient: self._refused.get(recipient, of_all) for recipient in others}
        return tuple(
            RefusedRecipient(address=recipient, code=reply.code, message=reply.text)
            for recipient, reply in replies.items()
            if reply
        )


def _is_limit(reply: Reply) -> bool:
    """Whether the recipient is one too many for this transaction, and not its mailbox full (5.2.2)."""
    is_code = reply.code in _TOO_MANY and not reply.text.startswith("5.2.")
    return is_code or reply.text.startswith(("4.5.3", "5.5.3"))  # RFC 3463 3.6: too many recipients


def _refusal_of_message(server: str, offer: Offer, verdict: Reply | None, *, is_wanted: bool) -> Reply | None:
    """Return the reply that permanently refuses the message; `is_wanted`: a recipient is left."""
    reply = (verdict or offer.data) if is_wanted else offer.sender
    if reply.is_positive and reply is not offer.data:
        return None
    if "STARTTLS" in reply.text.upper():  # RFC 3207, 4; Exchange Online says it with 451
        text = f"{server} wants an encrypted connection ({reply}); choose TLS as cryptographicProtocol."
        raise TlsFailed(text, server=server)
    if reply.code in _SIGN_IN_NEEDED:
        raise AuthenticationFailed(f"{server} wants another sign-in: {reply}", server=server)
    if reply.is_permanent:
        return reply
    if reply.is_transient:
        text = f"{server} does not take the message now: {reply}"
        raise MessageRefused(text, server=server, replyCode=reply.code)
    raise ProtocolViolation(f"{server} gave an answer that does not fit: {reply}", server=server)
