"""The ten operations: the one source of truth for task types, requests, results and handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from worker.mail.account import MailProtocol
from worker.mail.answer import Answer
from worker.models import imap as imap_models
from worker.models import pop3 as pop3_models
from worker.models.base import Request, Result
from worker.models.mail import DeletedMail, FoundMail, ListedMail, MovedMail, ReadMail
from worker.models.smtp import SendRequest, SendResult
from worker.operations import imap, pop3, smtp
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


def _row(
    protocol: MailProtocol, name: str, request: type[Request], result: type[Result], handler: Handler
) -> Operation:
    is_list = name in {"list", "search"}
    title = f"{name.capitalize()} {'emails' if is_list else 'email'}"
    if protocol is not MailProtocol.SMTP:
        title += f" ({protocol.value.upper()})"
    return Operation(f"email.{protocol.value}.{name}", title, protocol, request, result, handler, is_list)


_SMTP, _POP3, _IMAP = MailProtocol.SMTP, MailProtocol.POP3, MailProtocol.IMAP

CATALOGUE: tuple[Operation, ...] = (
    _row(_SMTP, "send", SendRequest, SendResult, smtp.send),
    _row(_POP3, "list", pop3_models.ListRequest, ListedMail, pop3.list_mails),
    _row(_POP3, "read", pop3_models.ReadRequest, ReadMail, pop3.read_mail),
    _row(_POP3, "delete", pop3_models.DeleteRequest, DeletedMail, pop3.delete_mail),
    _row(_POP3, "search", pop3_models.SearchRequest, FoundMail, pop3.search_mails),
    _row(_IMAP, "list", imap_models.ListRequest, ListedMail, imap.list_mails),
    _row(_IMAP, "read", imap_models.ReadRequest, ReadMail, imap.read_mail),
    _row(_IMAP, "delete", imap_models.DeleteRequest, DeletedMail, imap.delete_mail),
    _row(_IMAP, "search", imap_models.SearchRequest, FoundMail, imap.search_mails),
    _row(_IMAP, "move", imap_models.MoveRequest, MovedMail, imap.move_mail),
)

BY_TASK_TYPE = {operation.task_type: operation for operation in CATALOGUE}
