"""Send an email."""

from __future__ import annotations

from worker.mail.answer import Answer
from worker.mail.compose import compose_message
from worker.models.smtp import SendRequest, SendResult
from worker.operations.errand import Errand


async def send(request: SendRequest, errand: Errand) -> Answer:
    """Send the email; `sent` is false where the server refused it for good.

    Raises a MailServerError where another attempt may succeed, and SendOutcomeUnknown where the email may
    have been sent.
    """
    message = compose_message(request.parameters, reference=errand.reference, date=errand.started_at)
    delivery = await errand.room.smtp.run(errand.account, lambda session: session.send(message))
    result = SendResult(
        subject=request.parameters.subject,
        sent=delivery.is_sent,
        message_id=message.message_id,
        refused_recipients=list(delivery.refused_recipients) or None,
        error=delivery.refusal,
    )
    return Answer(result, has_effect=delivery.is_sent)
