"""Send an email: what the process gives, and what it gets back."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from worker.models.authentication import OptionalAuthentication
from worker.models.base import Request, Result, Server, is_none
from worker.models.message import MessageParameters
from worker.models.texts import read_words


class Notify(StrEnum):
    """Of which events of the delivery the mail servers tell the sender (RFC 3461, 4.1)."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


class SendParameters(MessageParameters):
    """The email to send."""

    notify: tuple[Notify, ...] = Field(default=(), title="Delivery notification", examples=["FAILURE, DELAY"])
    """Events that mail servers report to the sender: `SUCCESS`, `FAILURE` and `DELAY` with commas between
    them, or `NEVER`. Fails if your mail server does not support it."""

    @field_validator("notify", mode="before")
    @classmethod
    def _are_words(cls, notify: Any) -> Any:
        words = read_words(notify)
        if isinstance(words, list):
            return [word.upper() if isinstance(word, str) else word for word in words]
        return words

    @field_validator("notify")
    @classmethod
    def _never_is_alone(cls, notify: tuple[Notify, ...]) -> tuple[Notify, ...]:
        if Notify.NEVER in notify and len(set(notify)) > 1:
            raise ValueError("must not have NEVER together with other events")
        return tuple(dict.fromkeys(notify))

    @model_validator(mode="after")
    def _has_recipient(self) -> Self:
        if not (self.to or self.cc or self.bcc):
            raise ValueError("must name at least one recipient in to, cc or bcc")
        return self


class SendRequest(Request):
    """The variables of email.smtp.send."""

    authentication: OptionalAuthentication
    server: Server
    parameters: SendParameters


class RefusedRecipient(Result):
    """A recipient that the server refused, with its reply."""

    address: str
    code: int
    message: str


class Refusal(Result):
    """Why the server refused the email: its reply code and text."""

    code: int
    message: str


class SendResult(Result):
    """The result of sending."""

    subject: str = Field(description="The subject of the email.")
    sent: bool = Field(description="Whether the server accepted the email for at least one recipient.")
    message_id: str | None = Field(description="The Message-ID of the email; null if it was sent to nobody.")
    refused_recipients: list[RefusedRecipient] | None = Field(
        default=None,
        exclude_if=is_none,
        description="The recipients that the server refused, each with the server's code and message.",
    )
    error: Refusal | None = Field(
        default=None, exclude_if=is_none, description="Why the server refused the email."
    )
