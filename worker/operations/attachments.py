"""The attachments of an email that was read: listed, and stored in Camunda's document store."""

from __future__ import annotations

import asyncio

from worker.documents.client import DocumentClient
from worker.mail.message.parse_attachments import list_attachments, read_attachments
from worker.models.email import Attachment, ReadEmail


def with_attachments_listed(result: ReadEmail, raw: bytes) -> ReadEmail:
    """Return the result of reading the email `raw` with what is attached, which is not stored."""
    return result.model_copy(update={"attachments": tuple(list_attachments(raw))})


async def store_attachments(result: ReadEmail, raw: bytes, documents: DocumentClient) -> ReadEmail:
    """Store what is attached to the email `raw`; return its result with the references.

    One file is decoded at a time, in a thread. Raises a DocumentError, with what was stored until then
    left in the store.
    """
    files = read_attachments(raw)
    attachments = []
    while (file := await asyncio.to_thread(next, files, None)) is not None:
        attachment = Attachment(
            name=file.name,
            content_type=file.content_type,
            size=len(file.content),
            content_id=file.content_id,
            reference=await documents.require_store().create(file),
        )
        attachments.append(attachment)
    return result.model_copy(update={"attachments": tuple(attachments)})
