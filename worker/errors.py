"""All errors with which a job can fail, each with a stable code.

EngineError, of commands to Camunda, is in worker/job/engine_errors.py.
"""

from __future__ import annotations

from typing import Any, ClassVar


class EmailError(Exception):
    """A failure with a sentence for people, a stable code, and whether a retry may help.

    The sentence says what failed and where. After a semicolon it may say what to do; if it does not, the
    incident adds the code's `remedy`. `details` are JSON values with the same facts for programs: the error
    expression sees them as `error.variables`. Neither the sentence nor the details ever contain a secret.
    """

    code: ClassVar[str]
    is_retryable: ClassVar[bool] = False
    remedy: ClassVar[str]

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InputError(EmailError):
    """A variable or header of the job is not valid for the operation.

    `details`: field, and fields if there are several; for an expression with line and column.
    """

    code = "INVALID_INPUT"
    remedy = "Correct the named field in the diagram or the process variables, then retry the incident."


class SecretNotFound(InputError):
    """A `{{secrets.NAME}}` names a secret that the worker does not have. `details`: secret."""

    code = "SECRET_NOT_FOUND"
    remedy = "Add the secret to the worker under the name in the message, or correct the name."


class ServerNotAllowed(InputError):
    """The operator does not allow this mail server. `details`: server."""

    code = "SERVER_NOT_ALLOWED"
    remedy = "Ask the operator to add the server to EMAIL_WORKER_ALLOWED_SERVERS."


class UrlNotAllowed(InputError):
    """The attachment's URL is not allowed by the operator. `details`: place (scheme and host)."""

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
    """A result or error expression cannot be evaluated, or gives the wrong kind of value. `details`: header.

    The work is done and is not repeated.
    """

    code = "EXPRESSION_FAILED"
    remedy = (
        "Correct the expression in the named task header; the work is done: cancel or migrate the instance,"
        " do not retry."
    )


class ResultTooLarge(EmailError):
    """The result is larger than Camunda accepts. `details`: bytes, limit."""

    code = "RESULT_TOO_LARGE"
    remedy = "Ask for fewer or smaller emails."


class ResultRefused(EmailError):
    """Camunda refused the result. The work is done and is not repeated."""

    code = "RESULT_REFUSED"
    remedy = "Cancel or migrate the instance, depending on Camunda's reason; do not retry."


class InternalError(EmailError):
    """Unexpected error in the worker; its log has the stack trace."""

    code = "INTERNAL_ERROR"
    remedy = "Report the log entry with this job's key to the maintainers."


class DocumentError(EmailError):
    """A document could not be fetched or stored. `details`: server or status, if known."""


class DocumentNotFound(DocumentError):
    """The document store has no such document. `details`: documentId."""

    code = "DOCUMENT_NOT_FOUND"
    remedy = "Check the reference; the document may have expired or been deleted."


class DocumentTooLarge(DocumentError):
    """The documents are larger than an email may carry. `details`: limit, server for one from a URL."""

    code = "DOCUMENT_TOO_LARGE"
    remedy = "Attach less, or raise EMAIL_WORKER_MAX_ATTACHMENT_BYTES."


class DocumentRefused(DocumentError):
    """The document store, the authorization server or the server of a URL refused the request permanently."""

    code = "DOCUMENT_REFUSED"
    remedy = "Check the reference, ZEEBE_REST_ADDRESS, and the permissions of the client."


class DocumentsUnavailable(DocumentError):
    """The document store, the authorization server or the server of a URL is temporarily unavailable.

    `details`: server or status, if known; retryAfterSeconds if it asks to wait.
    """

    code = "DOCUMENTS_UNAVAILABLE"
    is_retryable = True
    remedy = "If it persists, check that the named service is running and that the worker can reach it."


class TokenRefused(EmailError):
    """The token endpoint gives no access token for these credentials. `details`: server, error, status."""

    code = "TOKEN_REFUSED"
    remedy = "Correct the client ID, secret, key, scopes or endpoint, as the endpoint's reason asks for."


class TokenEndpointUnavailable(EmailError):
    """The token endpoint is temporarily unavailable.

    `details`: server, error, status, retryAfterSeconds if the endpoint asks to wait.
    """

    code = "TOKEN_ENDPOINT_UNAVAILABLE"
    is_retryable = True
    remedy = "If it lasts, check that the worker can reach the endpoint, and that the endpoint is running."


class MailServerError(EmailError):
    """A mail server could not be reached or did not perform the request. `details`: server."""


class ConnectionFailed(MailServerError):
    """No connection, or it was lost before the work was done."""

    code = "CONNECTION_FAILED"
    is_retryable = True
    remedy = "Check host, port, and that the worker can reach the server."


class ServerTimeout(MailServerError):
    """The server did not answer in time."""

    code = "TIMEOUT"
    is_retryable = True
    remedy = "Check that the server is running, or raise the timeout if it is only slow."


class TlsFailed(MailServerError):
    """The connection could not be encrypted, or the server's certificate is not trusted."""

    code = "TLS_FAILED"
    remedy = "Check cryptographicProtocol and port; for a private CA set EMAIL_WORKER_TLS_CA_FILE."


class AuthenticationFailed(MailServerError):
    """The server refused the sign-in. Never retried, because repeated attempts lock accounts."""

    code = "AUTHENTICATION_FAILED"
    remedy = "Correct the user name or password, or enable sign-in for this protocol on the server."


class ServerUnavailable(MailServerError):
    """The server is temporarily unable to do this (421, other 4xx, UNAVAILABLE, LIMIT)."""

    code = "SERVER_UNAVAILABLE"
    is_retryable = True
    remedy = "If it persists, ask the server's operator about the reason that it gives."


class MailboxBusy(MailServerError):
    """The mailbox is in use by another session (IN-USE, INUSE)."""

    code = "MAILBOX_BUSY"
    is_retryable = True
    remedy = "If it persists, find the other client that uses the mailbox."


class QuotaExceeded(MailServerError):
    """The mailbox is full."""

    code = "QUOTA_EXCEEDED"
    remedy = "Delete emails from the mailbox or raise its quota."


class ServerRefused(MailServerError):
    """The server refused the command permanently."""

    code = "SERVER_REFUSED"
    remedy = "Ask the server's operator about the reason that it gives."


class ProtocolViolation(MailServerError):
    """The server's reply violates the protocol."""

    code = "PROTOCOL_ERROR"
    is_retryable = True
    remedy = "Check that host and port belong to a server of this protocol."


class NotSupported(MailServerError):
    """The server does not support an extension that this request needs. `details`: server, extension."""

    code = "NOT_SUPPORTED"
    remedy = "Do not use what the message names, or use a server that supports it."


class FolderNotFound(MailServerError):
    """No folder has this name. `details`: server, folder, closest (list of names)."""

    code = "FOLDER_NOT_FOUND"
    remedy = "Use one of the names in the message."


class MessageNotFound(MailServerError):
    """No email in the folder has this id.

    `details`: server, messageId, folder (IMAP), foundIn (IMAP move: the target folder, if it is there).
    """

    code = "MESSAGE_NOT_FOUND"
    remedy = (
        "Check messageId and folder; somebody or an earlier attempt of this job may have moved or deleted it."
    )


class MessageIdAmbiguous(MailServerError):
    """Several emails have this id. `details`: server, messageId, candidates (list of ids)."""

    code = "MESSAGE_ID_AMBIGUOUS"
    remedy = "Use one of the ids in the message: each names one email."


class RecipientRefused(MailServerError):
    """The server accepted no recipient, and refused at least one of them only temporarily.

    `details`: server, refusedRecipients (list of address, code, message).
    """

    code = "RECIPIENT_REFUSED"
    is_retryable = True
    remedy = "If it persists, ask the server's operator about the reasons that it gives."


class MessageRefused(MailServerError):
    """The server refused the email temporarily (4xx). `details`: server, replyCode."""

    code = "MESSAGE_REFUSED"
    is_retryable = True
    remedy = "If it persists, ask the server's operator about the reason that it gives."


class SendOutcomeUnknown(MailServerError):
    """The connection was lost after the email was transferred: it may have been sent. Never retried.

    `details`: server, messageId.
    """

    code = "SEND_OUTCOME_UNKNOWN"
    remedy = "Search for the Message-ID on the server or ask the recipient; retry only if it did not arrive."
