"""List, read, delete, search and move email over IMAP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from worker.errors import MailServerError, MessageNotFound
from worker.mail.imap.ids import read_own_id
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.reading import ReceivedEmail, list_messages, read_message, search_messages
from worker.mail.imap.removal import delete_message, is_in_folder, move_message
from worker.mail.imap.sorting import ListOrder
from worker.mail.message.truncation import truncate_result
from worker.mail.operation_result import OperationResult
from worker.models.email import DeletedEmail, MovedEmail, ReadEmail
from worker.models.imap import (
    DeleteRequest,
    ListRequest,
    MoveRequest,
    ReadRequest,
    SearchRequest,
)
from worker.operations.attachments import store_attachments
from worker.operations.context import OperationContext

T = TypeVar("T")


async def list_emails(request: ListRequest, context: OperationContext) -> OperationResult:
    """List the first emails of a folder in the order asked for."""
    wanted = request.parameters
    order = ListOrder(wanted.sort_field, wanted.sort_order, wanted.max_to_be_read)
    mails = await context.clients.imap.run(
        context.account, lambda mailbox: list_messages(mailbox, wanted.folder, order)
    )
    return OperationResult([*mails])


async def read_email(request: ReadRequest, context: OperationContext) -> OperationResult:
    """Read one email whole; it stays unread."""
    wanted = request.parameters
    if wanted.store_attachments:
        context.documents.require_store()

    def read(mailbox: ImapMailbox) -> tuple[ReadEmail, bytes]:
        received = read_message(mailbox, wanted.folder, wanted.message_id)
        # Octets that nobody needs any more go before the text is written as JSON.
        raw = received.raw if wanted.store_attachments else b""
        return _read_mail(received, wanted.message_id), raw

    result, raw = await context.clients.imap.run(context.account, read)
    if wanted.store_attachments:
        result = await store_attachments(result, raw, context.documents)
    return OperationResult(await asyncio.to_thread(truncate_result, result, context.clients.max_result_bytes))


async def delete_email(request: DeleteRequest, context: OperationContext) -> OperationResult:
    """Delete one email for good."""
    wanted = request.parameters

    def delete(mailbox: ImapMailbox) -> None:
        try:
            _change(mailbox, context, lambda: delete_message(mailbox, wanted.folder, wanted.message_id))
        except MessageNotFound:
            if not context.clients.imap.has_broken_off(context.reference):
                raise

    await context.clients.imap.run(context.account, delete)
    return OperationResult(DeletedEmail(deleted=True, message_id=wanted.message_id), has_effect=True)


async def search_emails(request: SearchRequest, context: OperationContext) -> OperationResult:
    """Find emails by criteria; the server does the search."""
    wanted = request.parameters
    found = await context.clients.imap.run(
        context.account,
        lambda mailbox: search_messages(
            mailbox, wanted.folder, wanted.criteria, context.clients.max_result_bytes
        ),
    )
    return OperationResult([*found])


async def move_email(request: MoveRequest, context: OperationContext) -> OperationResult:
    """Move one email to another folder, which is created where it is missing."""
    wanted = request.parameters

    def move(mailbox: ImapMailbox) -> bool:
        try:
            return _change(
                mailbox,
                context,
                lambda: move_message(mailbox, wanted.from_folder, wanted.to_folder, wanted.message_id),
            )
        except MessageNotFound as error:
            # The worker's own id means nothing in the other folder.
            is_own = read_own_id(wanted.message_id) is not None
            has_arrived = not is_own and is_in_folder(mailbox, wanted.to_folder, wanted.message_id)
            if context.clients.imap.has_broken_off(context.reference) and (is_own or has_arrived):
                return True
            if not has_arrived:
                raise
            # Not a success: of several jobs that want the same email, one wins.
            text = f"{error.message.removesuffix('.')}: one with this id is in {wanted.to_folder}."
            raise MessageNotFound(text, **error.details, foundIn=wanted.to_folder) from error

    has_effect = await context.clients.imap.run(context.account, move)
    moved = MovedEmail.model_validate(
        {"messageId": wanted.message_id, "from": wanted.from_folder, "to": wanted.to_folder}
    )
    return OperationResult(moved, has_effect=has_effect)


def _change(mailbox: ImapMailbox, context: OperationContext, change: Callable[[], T]) -> T:
    """Note where a change may or may not have been made, so that the next attempt can tell."""
    mailbox.session.may_change = context.may_change
    try:
        return change()
    except MailServerError as error:
        if error.is_retryable and mailbox.session.has_changed:
            context.clients.imap.note_broken_off(context.reference)
        raise


def _read_mail(received: ReceivedEmail, message_id: str) -> ReadEmail:
    mail = received.mail
    return mail.to_read(
        message_id=message_id if read_own_id(message_id) else mail.summary.message_id,
        size=mail.size,
        received_date=received.received,
    )
