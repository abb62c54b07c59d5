"""Every way in which a job can fail, each with a stable code.

EmailError is a job's failure, MailServerError and DocumentError its largest families. EngineError is for the
worker alone: what happened to a command to Camunda.
"""

from __future__ import annotations

from typing import Any, ClassVar


class EmailError(Exception):
    """A failure that a person can read: one sentence, a stable code, and whether a retry may help.

    The sentence says what and where, and may say what to do behind a semicolon, better than the code's
    `remedy` does for all: an incident has the one or the other.
    `details` are JSON values that say the same to a program: they reach the error expression as
    `error.variables`. Neither the sentence nor the details ever hold a secret.
    """

    code: ClassVar[str]
    is_retryable: ClassVar[bool] = False
    remedy: ClassVar[str]

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InputError(EmailError):
    """A variable or header of the job is not what the operation takes.

    `details`: field, and fields if there are several; for an expression with line and column.
    """

    code = "INVALID_INPUT"
    remedy = "Correct the named field in the diagram or the process variables, then retry the incident."


class SecretNotFound(InputError):
    """A `{{secrets.NAME}}` names a secret that the worker does not have. `details`: secret."""

    code = "SECRET_NOT_FOUND"
    remedy = "Give the secret to the worker under the name in the message, or correct the name."


class ServerNotAllowed(InputError):
    """The mail server is not among those that the operator allows. `details`: server."""

    code = "SERVER_NOT_ALLOWED"
    remedy = "Ask the operator to add the server to EMAIL_WORKER_ALLOWED_SERVERS."


class UrlNotAllowed(InputError):
    """An attachment is to come from a URL that is not among those that the operator allows.

    `details`: place (scheme and host).
    """

    code = "URL_NOT_ALLOWED"
    remedy = "Ask the operator to add it to EMAIL_WORKER_ALLOWED_DOCUMENT_URLS, or attach a stored document."


class DocumentStoreMissing(InputError):
    """The task needs Camunda's document store, and the worker has no address of it. `details`: none."""

    code = "DOCUMENT_STORE_MISSING"
    remedy = "Ask the operator to set ZEEBE_REST_ADDRESS."


class TokenEndpointNotAllowed(InputError):
    """The token endpoint is not among those that the operator allows. `details`: endpoint."""

    code = "TOKEN_ENDPOINT_NOT_ALLOWED"
    remedy = "Ask the operator to add the endpoint to EMAIL_WORKER_ALLOWED_TOKEN_ENDPOINTS."


class ExpressionFailed(EmailError):
    """A result or error expression does not evaluate, or gives the wrong kind of value. `details`: header.

    The work is done; it is not done again for this.
    """

    code = "EXPRESSION_FAILED"
    remedy = "Correct the expression in the named task header; migrate the instance or end it by hand."


class ResultTooLarge(EmailError):
    """The result is larger than the engine takes. `details`: bytes, limit."""

    code = "RESULT_TOO_LARGE"
    remedy = "Ask for fewer or smaller messages."


class ResultRefused(EmailError):
    """The engine did not take the result; the work is done and is not done again."""

    code = "RESULT_REFUSED"
    remedy = "End the instance by hand or migrate it, as the engine's reason asks for."


class InternalError(EmailError):
    """The worker failed in a way that it should not; its log has the trace."""

    code = "INTERNAL_ERROR"
    remedy = "Report the log line with this job's key."


class DocumentError(EmailError):
    """A document could not be had or kept. `details`: server or status, where there is one."""


class DocumentNotFound(DocumentError):
    """The document store has no such document. `details`: documentId."""

    code = "DOCUMENT_NOT_FOUND"
    remedy = "Check the reference; the document may have expired or been deleted."


class DocumentTooLarge(DocumentError):
    """The documents are larger than an email may carry. `details`: limit, server for one from a URL."""

    code = "DOCUMENT_TOO_LARGE"
    remedy = "Attach less, or raise EMAIL_WORKER_MAX_ATTACHMENT_BYTES."


class DocumentRefused(DocumentError):
    """The document store, the authorization server or a URL refused the request for good."""

    code = "DOCUMENT_REFUSED"
    remedy = "Check the reference, ZEEBE_REST_ADDRESS, and what the client may do there."


class DocumentsUnavailable(DocumentError):
    """The document store, the authorization server or a URL cannot be reached or cannot answer now."""

    code = "DOCUMENTS_UNAVAILABLE"
    is_retryable = True
    remedy = "If it lasts, check that what the message names is well and that the worker can reach it."


class TokenError(EmailError):
    """No access token could be fetched. `details`: server."""


class TokenRefused(TokenError):
    """The token endpoint gives no access token for these credentials. `details`: server, error."""

    code = "TOKEN_REFUSED"
    remedy = "Correct the client ID, secret, key, scopes or endpoint, as the endpoint's reason asks for."


class TokenEndpointUnavailable(TokenError):
    """The token endpoint cannot be reached or cannot answer now."""

    code = "TOKEN_ENDPOINT_UNAVAILABLE"
    is_retryable = True
    remedy = "If it lasts, check that the worker can reach the endpoint, and that the endpoint is running."


class MailServerError(EmailError):
    """A mail server could not be reached or did not do what was asked. `details`: server."""


class ConnectionFailed(MailServerError):
    """No connection, or it broke before the work was done."""

    code = "CONNECTION_FAILED"
    is_retryable = True
    remedy = "Check host, port, and that the worker can reach the server."


class ServerTimeout(MailServerError):
    """The server did not answer in time."""

    code = "TIMEOUT"
    is_retryable = True
    remedy = "Check that the server is well, or raise the timeout if it is only slow."


class TlsFailed(MailServerError):
    """The connection could not be encrypted, or the server's certificate is not trusted."""

    code = "TLS_FAILED"
    remedy = "Check cryptographicProtocol and port; for a private CA set EMAIL_WORKER_TLS_CA_FILE."


class AuthenticationFailed(MailServerError):
    """The server refused the sign-in. Never retried: repeated attempts lock accounts."""

    code = "AUTHENTICATION_FAILED"
    remedy = "Correct the user name or password, or enable sign-in for this protocol on the server."


class ServerUnavailable(MailServerError):
    """The server said that it cannot do this now (421, other 4xx, UNAVAILABLE, LIMIT)."""

    code = "SERVER_UNAVAILABLE"
    is_retryable = True
    remedy = "If it lasts, ask the server's operator about the reason that it gives."


class MailboxBusy(MailServerError):
    """The mailbox is in use by another session (IN-USE, INUSE)."""

    code = "MAILBOX_BUSY"
    is_retryable = True
    remedy = "If it lasts, find the other client that holds the mailbox."


class QuotaExceeded(MailServerError):
    """The mailbox is full."""

    code = "QUOTA_EXCEEDED"
    remedy = "Make room in the mailbox or raise its quota."


class ServerRefused(MailServerError):
    """The server refused the command for good."""

    code = "SERVER_REFUSED"
    remedy = "Ask the server's operator about the reason that it gives."


class ProtocolViolation(MailServerError):
    """The server's answer is not what the protocol allows."""

    code = "PROTOCOL_ERROR"
    is_retryable = True
    remedy = "Check that host and port belong to a server of this protocol."


class NotSupported(MailServerError):
    """The server lacks an extension that this request needs. `details`: server, extension."""

    code = "NOT_SUPPORTED"
    remedy = "Avoid what the message names, or use a server that supports it."


class FolderNotFound(MailServerError):
    """There is no folder of that name. `details`: server, folder, closest (list of names)."""

    code = "FOLDER_NOT_FOUND"
    remedy = "Use one of the names in the message."


class MessageNotFound(MailServerError):
    """There is no message with that id in the folder. `details`: server, messageId, folder (IMAP)."""

    code = "MESSAGE_NOT_FOUND"
    remedy = "Check messageId and folder; somebody, or an earlier attempt of this job, may have moved it."


class MessageIdAmbiguous(MailServerError):
    """Several messages have that id. `details`: server, messageId, candidates (list of ids)."""

    code = "MESSAGE_ID_AMBIGUOUS"
    remedy = "Use one of the ids in the message: each names one message."


class RecipientRefused(MailServerError):
    """The server took no recipient, at least one of them only for now.

    `details`: server, refusedRecipients (list of address, code, message).
    """

    code = "RECIPIENT_REFUSED"
    is_retryable = True
    remedy = "If it lasts, ask the server's operator about the reasons that it gives."


class MessageRefused(MailServerError):
    """The server did not take the message for now (4xx). `details`: server, replyCode."""

    code = "MESSAGE_REFUSED"
    is_retryable = True
    remedy = "If it lasts, ask the server's operator about the reason that it gives."


class SendOutcomeUnknown(MailServerError):
    """The connection broke after the message was handed over: it may have been sent. Never retried.

    `details`: server, messageId.
    """

    code = "SEND_OUTCOME_UNKNOWN"
    remedy = "Look for the Message-ID at the server or the recipient; retry only if it did not arrive."


class EngineError(Exception):
    """A command to the engine did not succeed."""


class GatewayUnavailable(EngineError):
    """The gateway cannot be reached or cannot take the command now; it may later."""


class InstanceNotEnded(EngineError):
    """A process instance has not ended within the time that was given to it."""


class JobGone(EngineError):
    """The job was completed, cancelled or failed meanwhile: nothing can be said about it any more."""


class CommandRefused(EngineError):
    """The engine does not take this command, however often it is sent."""
