"""From the fields of a request and the documents that they name to a message."""

from __future__ import annotations

import asyncio
from functools import partial

from worker.mail.message.compose import ComposedMessage, compose_message
from worker.models.message import MessageParameters
from worker.operations.context import OperationContext

# Above this, writing the message takes long enough to make other work wait.
_LARGE_CHARACTERS = 50_000
# An address takes as long as a text of this length.
_CHARACTERS_OF_AN_ADDRESS = 50


async def compose_email(
    mail: MessageParameters,
    context: OperationContext,
    *,
    message_id: str | None = None,
    has_bcc: bool = False,
) -> ComposedMessage:
    """Fetch what is attached and write the message: see `compose_message`. Raises a DocumentError."""
    files = await context.documents.fetch(mail.attachments) if mail.attachments else ()
    compose = partial(
        compose_message,
        mail,
        reference=context.reference,
        date=context.started_at,
        files=files,
        message_id=message_id,
        has_bcc=has_bcc,
    )
    return await asyncio.to_thread(compose) if files or _is_large(mail) else compose()


def _is_large(mail: MessageParameters) -> bool:
    texts = len(mail.text or "") + len(mail.html or "") + sum(map(len, mail.headers.values()))
    addresses = len(mail.to) + len(mail.cc) + len(mail.bcc) + len(mail.reply_to)
    return texts + addresses * _CHARACTERS_OF_AN_ADDRESS > _LARGE_CHARACTERS
