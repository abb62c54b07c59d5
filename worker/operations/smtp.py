"""Send an email."""

from __future__ import annotations

import asyncio
from functools import partial

from worker.mail.answer import Answer
from worker.mail.message.compose import ComposedMessage, compose_message
from worker.models.smtp import SendRequest, SendResult
from worker.operations.errand import Errand

# Above this, writing the message takes long enough to make other work wait.
_LARGE_CHARACTERS = 200_000


async def send(request: SendRequest, errand: Errand) -> Answer:
    """Send the email; `sent` is false where the server refused it for good.

    Raises a MailServerError or a DocumentError where another attempt may succeed, and SendOutcomeUnknown
    where the email may have been sent.
    """
    message = await _compose(request, errand)
    delivery = await errand.room.smtp.run(errand.account, lambda session: session.send(message))
    result = SendResult(
        subject=request.parameters.subject,
        sent=delivery.is_sent,
        message_id=message.message_id,
        refused_recipients=list(delivery.refused_recipients) or None,
        error=delivery.refusal,
    )
    return Answer(result, has_effect=delivery.is_sent)


async def _compose(request: SendRequest, errand: Errand) -> ComposedMessage:
    mail = request.parameters
    files = await errand.documents.fetch(mail.attachments) if mail.attachments else ()
    compose = partial(compose_message, mail, reference=errand.reference, date=errand.started_at, files=files)
    if files or len(mail.text or "") + len(mail.html or "") > _LARGE_CHARACTERS:
        return await asyncio.to_thread(compose)
    return compose()
