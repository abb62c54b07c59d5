"""The ten operations: the one source of truth for task types, requests, results and handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from worker.mail.account import MailProtocol
from worker.mail.answer import Answer
from worker.models.base import Request, Result
from worker.models.smtp import SendRequest, SendResult
from worker.operations import smtp
from worker.operations.errand import Errand

Handler = Callable[[Any, Errand], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: what a diagram calls it, what goes in, what comes out, and who does it.

    `result` is the model of one item where `is_list` holds.
    """

    task_type: str
    title: str
    protocol: MailProtocol
    request: type[Request]
    result: type[Result]
    handler: Handler
    is_list: bool = False


CATALOGUE: tuple[Operation, ...] = (
    Operation("email.smtp.send", "Send email", MailProtocol.SMTP, SendRequest, SendResult, smtp.send),
)

BY_TASK_TYPE = {operation.task_type: operation for operation in CATALOGUE}
