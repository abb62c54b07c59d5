"""The operations: the single source of truth for job types, requests, results and handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from worker.mail.account import MailProtocol
from worker.mail.operation_result import OperationResult
from worker.models import imap as imap_models
from worker.models import pop3 as pop3_models
from worker.models.base import Request, Result
from worker.models.email import (
    AppendedEmail,
    DeletedEmail,
    FlaggedEmail,
    FolderRow,
    FoundEmail,
    FoundImapEmail,
    ListedEmail,
    ListedImapEmail,
    MovedEmail,
    ReadEmail,
)
from worker.models.imap_append import AppendRequest
from worker.models.smtp import SendRequest, SendResult
from worker.operations import imap, pop3, smtp
from worker.operations.context import OperationContext

Handler = Callable[[Any, OperationContext], Awaitable[OperationResult]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: job type, request, result and function of an operation.

    `result` is the model of one item where `is_list` is true.
    """

    task_type: str
    title: str
    protocol: MailProtocol
    request: type[Request]
    result: type[Result]
    handler: Handler
    is_list: bool = False


_TITLES = {"append": "Put email into folder", "folders": "List folders"}


def _row(
    protocol: MailProtocol, name: str, request: type[Request], result: type[Result], handler: Handler
) -> Operation:
    is_list = name in {"list", "search", "folders"}
    title = _TITLES.get(name, f"{name.capitalize()} {'emails' if is_list else 'email'}")
    if protocol is not MailProtocol.SMTP:
        title += f" ({protocol.value.upper()})"
    return Operation(f"email.{protocol.value}.{name}", title, protocol, request, result, handler, is_list)


_SMTP, _POP3, _IMAP = MailProtocol.SMTP, MailProtocol.POP3, MailProtocol.IMAP

CATALOGUE: tuple[Operation, ...] = (
    _row(_SMTP, "send", SendRequest, SendResult, smtp.send),
    _row(_POP3, "list", pop3_models.ListRequest, ListedEmail, pop3.list_emails),
    _row(_POP3, "read", pop3_models.ReadRequest, ReadEmail, pop3.read_email),
    _row(_POP3, "delete", pop3_models.DeleteRequest, DeletedEmail, pop3.delete_email),
    _row(_POP3, "search", pop3_models.SearchRequest, FoundEmail, pop3.search_emails),
    _row(_IMAP, "list", imap_models.ListRequest, ListedImapEmail, imap.list_emails),
    _row(_IMAP, "read", imap_models.ReadRequest, ReadEmail, imap.read_email),
    _row(_IMAP, "delete", imap_models.DeleteRequest, DeletedEmail, imap.delete_email),
    _row(_IMAP, "search", imap_models.SearchRequest, FoundImapEmail, imap.search_emails),
    _row(_IMAP, "move", imap_models.MoveRequest, MovedEmail, imap.move_email),
    _row(_IMAP, "flag", imap_models.FlagRequest, FlaggedEmail, imap.flag_email),
    _row(_IMAP, "append", AppendRequest, AppendedEmail, imap.append_email),
    _row(_IMAP, "folders", imap_models.FoldersRequest, FolderRow, imap.list_all_folders),
)

BY_TASK_TYPE = {operation.task_type: operation for operation in CATALOGUE}
