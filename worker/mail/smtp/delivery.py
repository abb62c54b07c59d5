"""What a server's replies mean for a message and its recipients: sent, refused, or to be tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.errors import (
    AuthenticationFailed,
    MessageRefused,
    ProtocolViolation,
    RecipientRefused,
)
from worker.mail.smtp.replies import NO_REPLY, Reply
from worker.models.smtp import Refusal, RefusedRecipient

_START_INPUT = 354
_NOT_SENT = Reply(NO_REPLY, ("",))
_SIGN_IN_NEEDED = frozenset({530, 534, 535, 538})  # RFC 4954 6
# RFC 5321 4.5.3.1.10: too many recipients, of which 552 is the older sign.
_TOO_MANY = frozenset({452, 552})


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
    data: Reply = _NOT_SENT

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
        if self._refusal and not self._delivered:
            refusal = Refusal(code=self._refusal.code, message=self._refusal.text)
            return Delivery(is_sent=False, refused_recipients=self._not_taken(), refusal=refusal)
        deferred = [recipient for recipient, reply in self._refused.items() if not reply.is_permanent]
        missing = [*deferred, *self._waiting]
        if missing:
            reply = self._refused[[*deferred, *self._refused][0]]
            takes = f"does not take {missing[0]}" if self._delivered else "takes none of the recipients"
            raise RecipientRefused(
                f"{self._server} {takes} now: {reply}",
                server=self._server,
                refusedRecipients=[recipient.to_variables() for recipient in self._not_taken()],
            )
        return Delivery(is_sent=bool(self._delivered), refused_recipients=self._not_taken())

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
    if reply.code in _SIGN_IN_NEEDED:
        raise AuthenticationFailed(f"{server} wants another sign-in: {reply}", server=server)
    if reply.is_permanent:
        return reply
    if reply.is_transient:
        raise MessageRefused(
            f"{server} does not take the message now: {reply}", server=server, replyCode=reply.code
        )
    raise ProtocolViolation(f"{server} gave an answer that does not fit: {reply}", server=server)
