"""What it means when an IMAP server refuses: response codes (RFC 5530, 3501, 4315) to errors. Pure."""

from __future__ import annotations

from worker.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    MailboxBusy,
    MailServerError,
    ProtocolViolation,
    QuotaExceeded,
    ServerRefused,
    ServerUnavailable,
)
from worker.mail.imap.replies import Reply
from worker.masking import excerpt

_ERROR_BY_CODE: dict[str, type[MailServerError]] = {
    "AUTHENTICATIONFAILED": AuthenticationFailed,
    "AUTHORIZATIONFAILED": AuthenticationFailed,
    "EXPIRED": AuthenticationFailed,
    "PRIVACYREQUIRED": AuthenticationFailed,
    "CONTACTADMIN": ServerRefused,
    "NOPERM": ServerRefused,
    "UNAVAILABLE": ServerUnavailable,
    "LIMIT": ServerUnavailable,
    "THROTTLED": ServerUnavailable,
    "SERVERBUG": ServerUnavailable,
    "INUSE": MailboxBusy,
    "OVERQUOTA": QuotaExceeded,
}
# What servers say without a code, or with one that means something else: lower case, from public reports.
_ERROR_BY_TEXT: dict[str, type[MailServerError]] = {
    "too many": ServerUnavailable,  # Gmail: NO [ALERT] Too many simultaneous connections
    "not connected": ServerUnavailable,  # Exchange: BAD User is authenticated but not connected
    "throttled": ServerUnavailable,  # Exchange: BAD Request is throttled
    "server unavailable": ServerUnavailable,  # Exchange: BAD Server Unavailable. 15
    "bandwidth limit": ServerUnavailable,  # Gmail: NO [OVERQUOTA] Account exceeded ... bandwidth limits
}
_LONGEST_REASON = 200
_SENTENCE: dict[type[MailServerError], str] = {
    AuthenticationFailed: "{server} refused the sign-in ({reason}); check user name and password.",
    MailboxBusy: "The mailbox at {server} is in use by another session: no way to {doing} ({reason}).",
    QuotaExceeded: "The mailbox at {server} is full: no way to {doing} ({reason}).",
    ServerRefused: "{server} refused to {doing} ({reason}).",
    ServerUnavailable: "{server} cannot {doing} now ({reason}).",
}


def refusal(
    server: str, reply: Reply, doing: str, otherwise: type[MailServerError] = ServerRefused
) -> MailServerError:
    """Return the error for a NO, BAD or BYE; `otherwise` is what it means without a response code."""
    kind = _kind_of(reply) or otherwise
    return kind(_SENTENCE[kind].format(server=server, doing=doing, reason=reason_of(reply)), server=server)


def may_mean_missing_folder(reply: Reply) -> bool:
    """Tell whether a refusal may say that a folder is not there; not all servers give a code for it."""
    return reply.status == "NO" and _kind_of(reply) is None


def is_temporary(reply: Reply) -> bool:
    """Tell whether a refusal is for now."""
    kind = _kind_of(reply)
    return kind is not None and kind.is_retryable


def _kind_of(reply: Reply) -> type[MailServerError] | None:
    text = reply.text.lower()
    by_text = next((kind for words, kind in _ERROR_BY_TEXT.items() if words in text), None)
    return by_text or _ERROR_BY_CODE.get(reply.code)


def reason_of(reply: Reply) -> str:
    """Return the server's text on one line, at most 200 characters."""
    return excerpt(reply.text, _LONGEST_REASON).rstrip(".") or "no reason given"


def failure(
    server: str, error: Exception, doing: str, *, goodbye: Reply | None = None, is_open: bool = True
) -> MailServerError:
    """Return the error for an exception other than a refusal. `is_open`: the sign-in has succeeded.

    `goodbye`: the reply with which the server ended the session.
    """
    is_end = not isinstance(error, MailServerError) or isinstance(error, ConnectionFailed)
    if goodbye is not None and is_end:
        if not is_open:
            return refusal(server, goodbye, doing, ServerUnavailable)
        text = f"{server} closed the connection ({reason_of(goodbye)}) when asked to {doing}."
        return ConnectionFailed(text, server=server)
    if isinstance(error, MailServerError):
        return error
    said = f" ({reason_of(Reply('', str(error)))})" if is_open else "; check host and port"
    text = f"{server} does not answer as an IMAP server when asked to {doing}{said}."
    return ProtocolViolation(text, server=server)
