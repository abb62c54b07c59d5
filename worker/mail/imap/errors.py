"""The errors that the refusals of an IMAP server become. Pure."""

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
from worker.mail.refusals import meaning_of
from worker.masking import excerpt

# With these codes (RFC 5530; RFC 9051, 7.1) the text may repeat the name of a folder.
_MISSING = frozenset({"NONEXISTENT", "TRYCREATE", "ALREADYEXISTS", "EXPUNGEISSUED"})
# To no other command does a full mailbox matter: OVERQUOTA then means what may be asked for in a day.
_STORING = frozenset(
    {"APPEND", "UID COPY", "UID MOVE", "UID STORE", "UID EXPUNGE", "EXPUNGE", "CREATE", "SUBSCRIBE"}
)
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
    """Return the error for a NO, BAD or BYE; `otherwise`: what it means without a reason."""
    kind = _kind_of(reply) or otherwise
    return kind(_SENTENCE[kind].format(server=server, doing=doing, reason=reason_of(reply)), server=server)


def is_unexplained(reply: Reply) -> bool:
    """Tell whether a refusal has no code and no text that says why: something may not be there."""
    return not reply.is_ok and _kind_of(reply) is None


def is_temporary(reply: Reply) -> bool:
    """Tell whether a refusal is for now."""
    kind = _kind_of(reply)
    return kind is not None and kind.is_retryable


def _kind_of(reply: Reply) -> type[MailServerError] | None:
    if reply.code in _MISSING:
        return None
    kind = meaning_of(reply.text)
    if kind is None and reply.code == "OVERQUOTA":
        return QuotaExceeded if reply.command in _STORING else ServerUnavailable
    return kind


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
    said = reason_of(Reply("", str(error)))
    text = f"{server} does not answer as an IMAP server when asked to {doing} ({said})."
    return ProtocolViolation(text, server=server)
