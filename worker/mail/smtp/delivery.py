"""What a server's replies to one message mean: taken, refused for good, or to be tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.errors import (
    AuthenticationFailed,
    MessageRefused,
    ProtocolViolation,
    RecipientRefused,
)
from worker.mail.smtp.replies import Reply
from worker.models.smtp import Refusal, RefusedRecipient

_START_INPUT = 354
_SIGN_IN_NEEDED = frozenset({530, 534, 535, 538})  # RFC 4954 6


@dataclass(frozen=True, slots=True)
class Delivery:
    """The final word on one message. `refusal`: why the server did not take it for anybody."""

    is_sent: bool
    refused_recipients: tuple[RefusedRecipient, ...] = ()
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """The replies to MAIL, to each RCPT, and to DATA (None where it was not sent)."""

    sender: Reply
    recipients: tuple[Reply, ...] = ()
    data: Reply | None = None

    @property
    def awaits_message(self) -> bool:
        """Whether the server takes what comes next for the message."""
        return self.data is not None and self.data.code == _START_INPUT

    @property
    def is_accepted(self) -> bool:
        """Whether the message may be sent: somebody is there to get it."""
        return (
            self.awaits_message
            and self.sender.is_positive
            and any(reply.is_positive for reply in self.recipients)
        )


def judge_refused_offer(server: str, recipients: Sequence[str], offer: Offer) -> Delivery:
    """Say why an offer was not accepted: for good, or by raising an error that may pass."""
    refusal = _refusal(server, offer.sender)
    if refusal is not None:
        return Delivery(is_sent=False, refusal=refusal)
    refused = refused_recipients(recipients, offer)
    if len(refused) < len(recipients) and offer.data is not None:
        refusal = _refusal(server, offer.data)
        if refusal is None:
            raise ProtocolViolation(f"{server} answered DATA with “{offer.data}”.", server=server)
        return Delivery(is_sent=False, refused_recipients=refused, refusal=refusal)
    passing = next((reply for reply in offer.recipients if reply.is_transient), None)
    if passing is not None:
        raise RecipientRefused(
            f"{server} takes none of the recipients now: {passing}",
            server=server,
            refusedRecipients=[recipient.to_variables() for recipient in refused],
        )
    return Delivery(is_sent=False, refused_recipients=refused)


def judge_message(server: str, recipients: Sequence[str], offer: Offer, verdict: Reply) -> Delivery:
    """Read the reply to the whole message; raises MessageRefused where it may be taken later."""
    refusal = _refusal(server, verdict)
    return Delivery(
        is_sent=refusal is None,
        refused_recipients=refused_recipients(recipients, offer),
        refusal=refusal,
    )


def refused_recipients(recipients: Sequence[str], offer: Offer) -> tuple[RefusedRecipient, ...]:
    """Return the recipients that the server did not take, with its answers."""
    return tuple(
        RefusedRecipient(address=address, code=reply.code, message=reply.text)
        for address, reply in zip(recipients, offer.recipients, strict=True)
        if not reply.is_positive
    )


def _refusal(server: str, reply: Reply) -> Refusal | None:
    if reply.is_positive:
        return None
    if reply.code in _SIGN_IN_NEEDED:
        raise AuthenticationFailed(f"{server} wants another sign-in: {reply}", server=server)
    if reply.is_permanent:
        return Refusal(code=reply.code, message=reply.text)
    if reply.is_transient:
        raise MessageRefused(
            f"{server} does not take the message now: {reply}", server=server, replyCode=reply.code
        )
    raise ProtocolViolation(f"{server} gave an answer that does not fit: {reply}", server=server)
