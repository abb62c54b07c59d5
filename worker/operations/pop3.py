"""List, read, delete and search email over POP3.

Reading and deleting delete only when Camunda has stored the result: that is the answer's `deferred`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial

from worker.documents.client import DocumentClient
from worker.errors import DocumentsUnavailable, ResultTooLarge
from worker.mail.local_search import body_values, decide, find_values
from worker.mail.message.ordering import sort_numbers
from worker.mail.message.parse import searchable_texts
from worker.mail.message.truncation import truncate_result
from worker.mail.operation_result import OperationResult
from worker.mail.pop3.ids import read_id
from worker.mail.pop3.mailbox import Pop3Mailbox
from worker.mail.pop3.memory import KnownEmail
from worker.models.base import Result
from worker.models.email import DeletedEmail, FoundEmail, ListedEmail, ReadEmail, SortField
from worker.models.pop3 import DeleteRequest, ListParameters, ListRequest, ReadRequest, SearchRequest
from worker.models.search import Criterion
from worker.operations.attachments import store_attachments
from worker.operations.context import OperationContext

_MOST_KEPT_BYTES = 32 * 1024 * 1024


async def list_emails(request: ListRequest, context: OperationContext) -> OperationResult:
    """List the emails of a mailbox, sorted over all of it, then cut."""
    async with context.clients.pop3.visit(context.account) as visit:
        return OperationResult(await visit.run(partial(_list, request.parameters)))


async def read_email(request: ReadRequest, context: OperationContext) -> OperationResult:
    """Read one email. It is deleted once Camunda has stored the result, unless that is only a part of it.

    Attachments are stored first: if that fails, or takes so long that others wait for the mailbox, the
    email stays.
    """
    wanted = request.parameters
    if wanted.store_attachments:
        context.documents.require_store()
    async with context.clients.pop3.visit(context.account) as visit:
        number, raw, result = await visit.run(partial(_read, wanted.message_id), with_listing=False)
        if wanted.store_attachments:
            result = await _store_in_time(result, raw, context.documents, visit.max_lock_seconds)
        result = truncate_result(result, context.clients.max_result_bytes)
        if result.truncated:
            return OperationResult(result)
        return OperationResult(result, deferred=visit.defer_deletion(number))


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
    """Find emails by sender, subject and text."""
    async with context.clients.pop3.visit(context.account) as visit:
        return OperationResult(await visit.run(partial(_search, request.parameters.criteria)))


def _list(parameters: ListParameters, mailbox: Pop3Mailbox) -> list[Result]:
    """Sorting by size needs no header but those of what is listed."""
    keys: Iterable[tuple[int, int | datetime | None]] = mailbox.sizes.items()
    if parameters.sort_field is not SortField.SIZE:
        keys = ((number, email.sent_date) for number, email in mailbox.emails())
    chosen = sort_numbers(keys, parameters.sort_order, limit=parameters.max_to_be_read)
    found = dict(_bounded(mailbox.emails(chosen)))
    emails = [found[number] for number in chosen if number in found]
    return list(map(_listed, mailbox.ids_of(emails), emails))


def _search(criteria: Criterion | None, mailbox: Pop3Mailbox) -> list[Result]:
    """Only what sender and subject leave open is fetched whole."""
    found: dict[int, KnownEmail] = {}
    undecided: dict[int, KnownEmail] = {}
    candidates = (item for item in mailbox.emails() if _decide(criteria, item[1]) is not False)
    for number, email in _bounded(candidates):
        (found if _decide(criteria, email) else undecided)[number] = email
    if criteria is not None and undecided:
        values = body_values(criteria)
        for number, raw in mailbox.messages(list(undecided)):
            in_body = find_values(values, searchable_texts(raw))
            if _decide(criteria, undecided[number], in_body):
                found[number] = undecided[number]
    emails = [email for _, email in sorted(found.items())]
    rows = zip(mailbox.ids_of(emails), emails, strict=True)
    return [FoundEmail(message_id=email_id, subject=email.subject) for email_id, email in rows]


def _bounded(emails: Iterable[tuple[int, KnownEmail]]) -> Iterator[tuple[int, KnownEmail]]:
    """Yield what will be kept in memory, as long as it is not too much: a header may have a megabyte."""
    kept_bytes = 0
    for number, email in emails:
        kept_bytes += email.bytes
        if kept_bytes > _MOST_KEPT_BYTES:
            raise ResultTooLarge(
                f"The headers of the messages take more than {_MOST_KEPT_BYTES} bytes; ask for fewer.",
                limit=_MOST_KEPT_BYTES,
            )
        yield number, email


def _decide(
    criteria: Criterion | None, email: KnownEmail, in_body: frozenset[str] | None = None
) -> bool | None:
    return criteria is None or decide(
        criteria, from_text=email.from_text, subject=email.subject, found_in_body=in_body
    )


def _listed(message_id: str, email: KnownEmail) -> ListedEmail:
    return ListedEmail(
        message_id=message_id,
        from_address=email.from_address,
        subject=email.subject,
        size=email.size,
        received_date_time=email.received_date,
        sent_date=email.sent_date,
    )


def _read(message_id: str, mailbox: Pop3Mailbox) -> tuple[int, bytes, ReadEmail]:
    number, mail, raw = mailbox.read(message_id)
    summary = mail.summary
    result = mail.to_read(
        message_id=summary.message_id if read_id(message_id).uid is None else message_id,
        size=mailbox.sizes[number],
        received_date=summary.received_date or summary.sent_date,
    )
    return number, raw, result
