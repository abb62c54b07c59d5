"""What it means when an IMAP server refuses: response codes and known texts to errors. Pure."""

from __future__ import annotations

import re

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

# The first that matches decides. Codes are those of RFC 5530 if no other source is named; texts are of
# servers that give no code, or one that means something else.
_MEANINGS: list[tuple[re.Pattern[str], type[MailServerError]]] = [
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"\[(AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED|PRIVACYREQUIRED)\b", AuthenticationFailed),
        # Exchange: "authenticated but not connected", "Request is throttled", "Server Unavailable. 15"
        (
            r"\bnot connected\b|\bthrottled\b|\b(server|service) (is )?(currently )?unavailable\b",
            ServerUnavailable,
        ),
        # Gmail: "[ALERT] Too many simultaneous connections", "[OVERQUOTA] Account exceeded command or
        # bandwidth limits"; Dovecot: "Maximum number of connections ... exceeded"; Yahoo: "Rate limit hit"
        (r"\b(maximum|too many)\b.*\b(connection|session|command|request)", ServerUnavailable),
        (r"\b(bandwidth|rate) limit", ServerUnavailable),
        # Gmail: "Temporary System Error"; Dovecot: "Temporary authentication failure", "Internal error
        # occurred"; Yahoo: "Server error - Please try again later"; QQ: "system busy"
        (r"\btemporary (\w+ )?(error|failure|problem)\b|\btemporarily\b", ServerUnavailable),
        (r"\b(internal|server|system) error\b|\bsystem busy\b", ServerUnavailable),
        # RFC 9051, 7.1 (UNAVAILABLE, SERVERBUG, LIMIT); Yahoo and Exchange Online (THROTTLED)
        (r"\[(UNAVAILABLE|SERVERBUG|LIMIT|THROTTLED)\b", ServerUnavailable),
        # RFC 5530; Cyrus: "Mailbox is locked by POP server"; UW: "Mailbox in use"
        (r"\[INUSE\b|\bmailbox\b.*\b(locked|in use)\b", MailboxBusy),
        (r"\[OVERQUOTA\b", QuotaExceeded),
        (r"\[CONTACTADMIN\b", ServerRefused),
        (r"\[NOPERM\b", ServerRefused),
    )
]
# With these codes (RFC 5530; RFC 9051, 7.1) the text may repeat the name of a folder.
_MISSING = frozenset({"NONEXISTENT", "TRYCREATE", "ALREADYEXISTS", "EXPUNGEISSUED"})
# To no other command does a full mailbox matter: OVERQUOTA then means what may be asked for in a day.
_STORING = frozenset(
    {"APPEND", "UID COPY", "UID MOVE", "UID STORE", "UID EXPUNGE", "EXPUNGE", "CREATE", "SUBSCRIBE"}
)
_READ_CHARACTERS, _LONGEST_REASON = 1000, 200
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
    text = reply.text[:_READ_CHARACTERS]
    kind = next((kind for pattern, kind in _MEANINGS if pattern.search(text)), None)
    return ServerUnavailable if kind is QuotaExceeded and reply.command not in _STORING else kind


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
