"""List, read, delete and search email over POP3.

Reading and deleting delete only when Camunda has stored the result: that is the answer's `deferred`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from worker.documents.client import DocumentClient
from worker.errors import DocumentStoreMissing, DocumentsUnavailable
from worker.mail.kept_headers import bounded
from worker.mail.local_search import HEADER_FIELDS, Facts, decide, with_content
from worker.mail.message.parse import read_header_fields
from worker.mail.message.sort_keys import SortKeys, in_seconds
from worker.mail.message.truncation import truncate_result
from worker.mail.operation_result import OperationResult
from worker.mail.pop3.ids import read_id
from worker.mail.pop3.mailbox import Pop3Mailbox
from worker.mail.pop3.memory import KnownEmail
from worker.models.base import Result
from worker.models.email import DeletedEmail, FoundEmail, ListedEmail, ReadEmail, SortField
from worker.models.pop3 import (
    DeleteRequest,
    ListParameters,
    ListRequest,
    ReadRequest,
    SearchParameters,
    SearchRequest,
)
from worker.models.search import Criterion, conditions_of
from worker.operations.attachments import store_attachments, with_attachments_listed
from worker.operations.context import OperationContext

_MOST_KEPT_BYTES = 32 * 1024 * 1024
_SHOWN_NAMES = 5


async def list_emails(request: ListRequest, context: OperationContext) -> OperationResult:
    """List the emails of a mailbox, sorted over all of it, then cut."""
    async with context.clients.pop3.visit(context.account) as visit:
        return OperationResult(await visit.run(partial(_list, request.parameters)))


async def read_email(request: ReadRequest, context: OperationContext) -> OperationResult:
    """Read one email. It is deleted once Camunda has stored the result, unless that is only a part of it.

    Attachments are stored first: if that fails, or takes so long that others wait for the mailbox, the
    email stays. It stays too if they would be stored nowhere, unless the process does not want them.
    """
    wanted = request.parameters
    is_stored = context.documents.is_to_store(wanted=wanted.store_attachments)
    async with context.clients.pop3.visit(context.account) as visit:
        number, raw, result = await visit.run(partial(_read, wanted.message_id, is_stored))
        if is_stored:
            result = await _store_in_time(
                result, raw, context.documents, visit.mailbox.limits.max_lock_seconds
            )
        elif result.attachments and wanted.store_attachments is None:
            raise _nowhere_to_store(result)
        result = await asyncio.to_thread(truncate_result, result, context.clients.max_result_bytes)
        if result.truncated:
            return OperationResult(result)
        return OperationResult(result, deferred=visit.defer_deletion(number))


def _nowhere_to_store(email: ReadEmail) -> DocumentStoreMissing:
    names = ", ".join(attachment.name for attachment in email.attachments[:_SHOWN_NAMES])
    return DocumentStoreMissing(
        f"The attachments of the email ({names}) would be lost: the worker has no document store, and reading"
        " over POP3 deletes the email. Nothing was deleted; ask the operator for ZEEBE_REST_ADDRESS, or set"
        " storeAttachments to false if the attachments are not needed."
    )


async def _store_in_time(
    result: ReadEmail, raw: bytes, documents: DocumentClient, within_seconds: float
) -> ReadEmail:
    try:
        async with asyncio.timeout(within_seconds):
            return await store_attachments(result, raw, documents)
    except TimeoutError as error:
        raise DocumentsUnavailable(
            f"The attachments were not stored within {within_seconds:g} seconds, for which the mailbox is"
            " locked at most (EMAIL_WORKER_POP3_HOLD_SECONDS); the message is still there."
        ) from error


async def delete_email(request: DeleteRequest, context: OperationContext) -> OperationResult:
    """Delete one email, once Camunda has stored the result."""
    message_id = request.parameters.message_id
    async with context.clients.pop3.visit(context.account) as visit:
        number = await visit.run(lambda mailbox: mailbox.find_only(message_id))
        result = DeletedEmail(deleted=True, message_id=message_id)
        return OperationResult(result, deferred=visit.defer_deletion(number))


async def search_emails(request: SearchRequest, context: OperationContext) -> OperationResult:
    """Find emails by criteria, which are decided here."""
    async with context.clients.pop3.visit(context.account) as visit:
        return OperationResult(await visit.run(partial(_search, request.parameters)))


def _list(parameters: ListParameters, mailbox: Pop3Mailbox) -> list[Result]:
    """Sorting by size needs only the headers of the listed emails."""
    mailbox.look()
    keys: Iterable[tuple[int, int | None]] = mailbox.sizes.items()
    if parameters.sort_field is not SortField.SIZE:
        keys = ((number, in_seconds(email.sent_date)) for number, email in mailbox.emails())
    chosen = SortKeys(keys).first(parameters.sort_order, parameters.max_to_be_read)
    found = dict(_bounded(mailbox.emails(chosen)))
    emails = [found[number] for number in chosen if number in found]
    return list(map(_listed, mailbox.ids_of(emails), emails))


def _search(parameters: SearchParameters, mailbox: Pop3Mailbox) -> list[Result]:
    """Fetch only if the known headers do not decide: first the header, then the whole email."""
    mailbox.look()
    criterion = parameters.criterion
    found: dict[int, KnownEmail] = {}
    undecided: dict[int, KnownEmail] = {}
    candidates = (item for item in mailbox.emails() if _decide(criterion, _facts(item[1])) is not False)
    for number, email in _bounded(candidates):
        (found if _decide(criterion, _facts(email)) else undecided)[number] = email
    if any(condition.field in HEADER_FIELDS for condition in conditions_of(criterion)):
        for number, block in mailbox.session.headers(list(undecided)):
            verdict = _decide(criterion, replace(_facts(undecided[number]), fields=read_header_fields(block)))
            if verdict is not None:
                email = undecided.pop(number)
                found |= {number: email} if verdict else {}
    if criterion is not None and undecided:
        for number, raw in mailbox.messages(list(undecided)):
            if decide(criterion, with_content(_facts(undecided[number]), raw, criterion)):
                found[number] = undecided[number]
    emails = [found[number] for number in _in_order(found, parameters)]
    rows = zip(mailbox.ids_of(emails), emails, strict=True)
    return [FoundEmail(message_id=email_id, subject=email.subject) for email_id, email in rows]


def _in_order(found: Mapping[int, KnownEmail], parameters: SearchParameters) -> list[int]:
    keys: dict[int, int | None] = {number: number for number in found}
    if parameters.sort_field is SortField.SIZE:
        keys = {number: email.size for number, email in found.items()}
    elif parameters.sort_field is not None:
        keys = {number: in_seconds(email.sent_date) for number, email in found.items()}
    return SortKeys(keys.items()).first(parameters.sort_order, parameters.max_to_be_read)


def _facts(email: KnownEmail) -> Facts:
    return Facts(
        from_text=email.from_text,
        subject=email.subject,
        size=email.size,
        received_date=email.received_date,
        sent_day=email.sent_day,
    )


def _bounded(emails: Iterable[tuple[int, KnownEmail]]) -> Iterator[tuple[int, KnownEmail]]:
    return bounded(emails, lambda numbered: numbered[1].bytes, _MOST_KEPT_BYTES)


def _decide(criterion: Criterion | None, facts: Facts) -> bool | None:
    return criterion is None or decide(criterion, facts)


def _listed(message_id: str, email: KnownEmail) -> ListedEmail:
    return ListedEmail(
        message_id=message_id,
        from_address=email.from_address,
        subject=email.subject,
        size=email.size,
        received_date_time=email.received_date,
        sent_date=email.sent_date,
    )


def _read(message_id: str, is_stored: bool, mailbox: Pop3Mailbox) -> tuple[int, bytes, ReadEmail]:  # noqa: FBT001 - bound by partial
    number, mail, raw = mailbox.read(message_id)
    facts = {
        "message_id": mail.message_id if read_id(message_id).uid is None else message_id,
        "size": mailbox.sizes[number],
        "received_date_time": mail.received_date_time or mail.sent_date,
    }
    result = mail.model_copy(update=facts)
    return number, raw, result if is_stored else with_attachments_listed(result, raw)
