"""Send an email."""

from __future__ import annotations

from dataclasses import replace

from worker.errors import MailServerError
from worker.mail.message.compose import ComposedMessage
from worker.mail.operation_result import OperationResult
from worker.models.smtp import SendRequest, SendResult
from worker.operations.composition import compose_email
from worker.operations.context import OperationContext


async def send(request: SendRequest, context: OperationContext) -> OperationResult:
    """Send the email; `sent` is false if the server refused it permanently.

    Raises a MailServerError or a DocumentError if another attempt may succeed, and SendOutcomeUnknown
    if the email may have been sent.
    """
    mail = request.parameters
    message = await compose_email(mail, context)
    message = replace(message, notify=",".join(mail.notify))
    try:
        delivery = await context.clients.smtp.run(
            context.account, lambda session: session.send(message, context.delivered, context.may_change)
        )
    except MailServerError as error:
        if not context.delivered:
            raise
        raise _partly_sent(error, message, context.delivered) from error
    result = SendResult(
        subject=request.parameters.subject_line,
        sent=delivery.is_sent,
        message_id=message.message_id if delivery.is_sent else None,
        refused_recipients=list(delivery.refused_recipients) or None,
        error=delivery.refusal,
    )
    return OperationResult(result, has_effect=delivery.is_sent)


def _partly_sent(error: MailServerError, message: ComposedMessage, delivered: set[str]) -> MailServerError:
    """Add to a failure who has the email all the same."""
    has_it = [recipient for recipient in message.recipients if recipient in delivered]
    then = "another attempt sends it to the others only" if error.is_retryable else "do not get it again"
    return type(error)(
        f"{error.message.removesuffix('.')}; {len(has_it)} of {len(message.recipients)} recipients have the"
        f" email, and {then}.",
        **error.details,
        deliveredRecipients=has_it,
    )
