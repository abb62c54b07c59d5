"""List, read, delete, search and move email over IMAP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TypeVar

from worker.errors import MailServerError, MessageNotFound
from worker.mail.imap.append import append_message
from worker.mail.imap.flags import change_flags
from worker.mail.imap.folder_list import list_folders
from worker.mail.imap.ids import read_own_id
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.reading import list_messages, read_message
from worker.mail.imap.removal import delete_message, is_in_folder, move_message
from worker.mail.imap.searching import search_messages
from worker.mail.imap.sorting import EmailOrder
from worker.mail.message.truncation import truncate_result
from worker.mail.operation_result import OperationResult
from worker.models.email import (
    AppendedEmail,
    DeletedEmail,
    FlaggedEmail,
    MovedEmail,
    ReadEmail,
)
from worker.models.imap import (
    DeleteRequest,
    FlagRequest,
    FoldersRequest,
    ListRequest,
    MoveRequest,
    ReadRequest,
    SearchRequest,
)
from worker.models.imap_append import AppendRequest
from worker.operations.attachments import store_attachments, with_attachments_listed
from worker.operations.composition import compose_email
from worker.operations.context import OperationContext

T = TypeVar("T")


async def list_emails(request: ListRequest, context: OperationContext) -> OperationResult:
    """List the first emails of a folder in the order asked for."""
    wanted = request.parameters
    order = EmailOrder(wanted.sort_field, wanted.sort_order, wanted.max_to_be_read)
    mails = await context.clients.imap.run(
        context.account,
        lambda mailbox: list_messages(mailbox, wanted.folder, order, is_unread_only=wanted.unread_only),
    )
    return OperationResult([*mails])


async def read_email(request: ReadRequest, context: OperationContext) -> OperationResult:
    """Read one email whole; it stays unread unless it is to be marked as read."""
    wanted = request.parameters
    is_stored = context.documents.is_to_store(wanted=wanted.store_attachments)

    def read(mailbox: ImapMailbox) -> tuple[ReadEmail, bytes, str]:
        received = read_message(mailbox, wanted.folder, wanted.message_id)
        if is_stored:
            return received.email, received.raw, received.own_id
        # Octets that nobody needs any more go before the text is written as JSON.
        return with_attachments_listed(received.email, received.raw), b"", received.own_id

    result, raw, own_id = await context.clients.imap.run(context.account, read)
    if is_stored:
        result = await store_attachments(result, raw, context.documents)
    if wanted.mark_as_read:
        with suppress(MessageNotFound):  # somebody has moved or deleted what was read
            await _change_flags(context, wanted.folder, own_id, added={r"\Seen"})
    return OperationResult(await asyncio.to_thread(truncate_result, result, context.clients.max_result_bytes))


async def delete_email(request: DeleteRequest, context: OperationContext) -> OperationResult:
    """Delete one email permanently."""
    wanted = request.parameters

    def delete(mailbox: ImapMailbox) -> None:
        try:
            _change(mailbox, context, lambda: delete_message(mailbox, wanted.folder, wanted.message_id))
        except MessageNotFound:
            if context.reference not in context.clients.imap.broken_off:
                raise

    await context.clients.imap.run(context.account, delete)
    return OperationResult(DeletedEmail(deleted=True, message_id=wanted.message_id), has_effect=True)


async def flag_email(request: FlagRequest, context: OperationContext) -> OperationResult:
    """Set and clear flags of one email; what is as wanted already stays untouched."""
    wanted = request.parameters
    flags = await _change_flags(
        context, wanted.folder, wanted.message_id, added=wanted.added, removed=wanted.removed
    )
    folded = {flag.lower() for flag in flags}
    result = FlaggedEmail(
        message_id=wanted.message_id,
        folder=wanted.folder,
        seen=r"\seen" in folded,
        flagged=r"\flagged" in folded,
        answered=r"\answered" in folded,
        keywords=tuple(sorted(flag for flag in flags if not flag.startswith("\\"))),
    )
    return OperationResult(result)


async def _change_flags(
    context: OperationContext,
    folder: str,
    message_id: str,
    *,
    added: AbstractSet[str],
    removed: AbstractSet[str] = frozenset(),
) -> frozenset[str]:
    def change(mailbox: ImapMailbox) -> frozenset[str]:
        mailbox.session.may_change = context.may_change
        return change_flags(mailbox, folder, message_id, added=added, removed=removed)

    return await context.clients.imap.run(context.account, change)


async def append_email(request: AppendRequest, context: OperationContext) -> OperationResult:
    """Put an email into a folder, unless it is there already."""
    wanted = request.parameters
    message = await compose_email(wanted, context, message_id=wanted.message, has_bcc=True)

    def append(mailbox: ImapMailbox) -> bool:
        mailbox.session.may_change = context.may_change
        return append_message(mailbox, wanted.folder, message, wanted.all_flags)

    is_new = await context.clients.imap.run(context.account, append)
    result = AppendedEmail(message_id=message.message_id, folder=wanted.folder, appended=is_new)
    return OperationResult(result, has_effect=is_new)


async def list_all_folders(request: FoldersRequest, context: OperationContext) -> OperationResult:
    """List the folders that match, with what is in them."""
    pattern = request.parameters.pattern
    rows = await context.clients.imap.run(context.account, lambda mailbox: list_folders(mailbox, pattern))
    return OperationResult([*rows])


async def search_emails(request: SearchRequest, context: OperationContext) -> OperationResult:
    """Find emails by criteria; the server does the search."""
    wanted = request.parameters
    order = EmailOrder(wanted.sort_field, wanted.sort_order, wanted.max_to_be_read)
    found = await context.clients.imap.run(
        context.account,
        lambda mailbox: search_messages(mailbox, wanted.folder, wanted.criterion, order),
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
            if context.reference in context.clients.imap.broken_off and (is_own or has_arrived):
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
        if error.is_retryable and not mailbox.session.may_repeat:
            context.clients.imap.broken_off[context.reference] = None
        raise
