"""The attachments of an email that was read, on their way into Camunda's document store."""

from __future__ import annotations

import asyncio

from worker.documents.client import DocumentClient
from worker.mail.message.parse_attachments import read_attachments
from worker.models.email import ReadEmail


async def store_attachments(result: ReadEmail, raw: bytes, documents: DocumentClient) -> ReadEmail:
    """Store what is attached to the email `raw`; return its result with the references.

    One file is decoded at a time, in a thread. Raises a DocumentError, with what was stored until then
    left in the store.
    """
    files = read_attachments(raw)
    references = []
    while (file := await asyncio.to_thread(next, files, None)) is not None:
        references.append(await documents.keep(file))
    return result.model_copy(update={"attachments": tuple(references)})
