"""List, read, delete and search email over POP3.

Reading and deleting delete only when the engine has taken the result: that is the answer's `deferred`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from worker.documents.client import DocumentClient
from worker.errors import DocumentsUnavailable
from worker.mail.message.ordering import sort_numbers
from worker.mail.message.parse import ParsedEmail, searchable_texts
from worker.mail.message.truncation import truncate_result
from worker.mail.operation_result import OperationResult
from worker.mail.pop3.local_search import body_values, decide, find_values
from worker.mail.pop3.maildrop import Maildrop
from worker.mail.pop3.maildrop_ids import read_id
from worker.mail.pop3.maildrop_memory import KnownMail
from worker.models.email import DeletedEmail, FoundEmail, ListedEmail, ReadEmail, SortField
from worker.models.pop3 import DeleteRequest, ListParameters, ListRequest, ReadRequest, SearchRequest
from worker.models.search import Criterion
from worker.operations.attachments import store_attachments
from worker.operations.context import OperationContext


async def list_emails(request: ListRequest, context: OperationContext) -> OperationResult:
    """List the mails of a maildrop, sorted over all of it, then cut."""
    async with context.clients.pop3.visit(context.account) as visit:
        maildrop = visit.maildrop
        chosen = await _choose(maildrop, request.parameters)
        found = {number: mail async for batch in maildrop.mails(chosen) for number, mail in batch.items()}
        mails = [found[number] for number in chosen if number in found]
        return OperationResult(list(map(_listed, maildrop.ids_of(mails), mails)))


async def read_email(request: ReadRequest, context: OperationContext) -> OperationResult:
    """Read one mail. It is deleted once the engine has the result, unless that holds only a part of it.

    Attachments are stored first: where that fails, or takes so long that others wait for the maildrop,
    the mail stays.
    """
    wanted = request.parameters
    if wanted.store_attachments:
        context.documents.require_store()
    async with context.clients.pop3.visit(context.account) as visit:
        number, mail, raw = await visit.maildrop.read(wanted.message_id)
        result = _read(mail, wanted.message_id, visit.maildrop.sizes[number])
        if wanted.store_attachments:
            result = await _store_in_time(result, raw, context.documents, visit.max_hold_seconds)
        result = truncate_result(result, context.clients.max_result_bytes)
        if result.truncated:
            return OperationResult(result)
        return OperationResult(result, deferred=await visit.hold(number))


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
    """Delete one mail, once the engine has the result."""
    async with context.clients.pop3.visit(context.account) as visit:
        number = await visit.maildrop.find_only(request.parameters.message_id)
        result = DeletedEmail(deleted=True, message_id=request.parameters.message_id)
        return OperationResult(result, deferred=await visit.hold(number))


async def search_emails(request: SearchRequest, context: OperationContext) -> OperationResult:
    """Find mails by sender, subject and text; only what these leave open is fetched whole."""
    criteria = request.parameters.criteria
    async with context.clients.pop3.visit(context.account) as visit:
        maildrop = visit.maildrop
        found: dict[int, KnownMail] = {}
        undecided: dict[int, KnownMail] = {}
        async for batch in maildrop.mails():
            # In a thread: ten thousand mails and a large tree of criteria take long.
            for number, verdict in (await asyncio.to_thread(_decide_all, criteria, batch)).items():
                if verdict is not False:
                    (found if verdict else undecided)[number] = batch[number]
        if criteria is not None and undecided:
            found |= await _search_bodies(maildrop, criteria, undecided)
        mails = [mail for _, mail in sorted(found.items())]
        rows = zip(maildrop.ids_of(mails), mails, strict=True)
        return OperationResult(
            [FoundEmail(message_id=mail_id, subject=mail.subject) for mail_id, mail in rows]
        )


async def _choose(maildrop: Maildrop, parameters: ListParameters) -> list[int]:
    """Return the numbers to list. Sorting by size needs no header."""
    if parameters.sort_field is SortField.SIZE:
        keys = maildrop.sizes.items()
        return sort_numbers(keys, parameters.sort_order, limit=parameters.max_to_be_read)
    dates: dict[int, datetime | None] = {}
    async for batch in maildrop.mails():
        dates.update({number: mail.sent_date for number, mail in batch.items()})
    return sort_numbers(dates.items(), parameters.sort_order, limit=parameters.max_to_be_read)


def _decide_all(criteria: Criterion | None, mails: Mapping[int, KnownMail]) -> dict[int, bool | None]:
    return {number: criteria is None or _decide(criteria, mail) for number, mail in mails.items()}


def _decide(criteria: Criterion, mail: KnownMail, in_body: frozenset[str] | None = None) -> bool | None:
    return decide(criteria, from_text=mail.from_text, subject=mail.subject, found_in_body=in_body)


async def _search_bodies(
    maildrop: Maildrop, criteria: Criterion, mails: dict[int, KnownMail]
) -> dict[int, KnownMail]:
    values = body_values(criteria)
    bodies = maildrop.examine(list(mails), lambda raw: find_values(values, searchable_texts(raw)))
    return {
        number: mails[number] async for number, in_body in bodies if _decide(criteria, mails[number], in_body)
    }


def _listed(message_id: str, mail: KnownMail) -> ListedEmail:
    return ListedEmail(
        message_id=message_id,
        from_address=mail.from_address,
        subject=mail.subject,
        size=mail.size,
        received_date_time=mail.received_date,
        sent_date=mail.sent_date,
    )


def _read(mail: ParsedEmail, message_id: str, size: int) -> ReadEmail:
    summary = mail.summary
    return mail.to_read(
        message_id=summary.message_id if read_id(message_id).uid is None else message_id,
        size=size,
        received_date=summary.received_date or summary.sent_date,
    )
