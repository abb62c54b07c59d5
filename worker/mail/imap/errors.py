"""What it means when an IMAP server refuses: response codes (RFC 5530, 3501, 4315) to errors. Pure."""

from __future__ import annotations

from worker.errors import (
    AuthenticationFailed,
    MailboxBusy,
    MailServerError,
    QuotaExceeded,
    ServerRefused,
    ServerUnavailable,
)
from worker.mail.imap.responses import Reply

_ERROR_BY_CODE: dict[str, type[MailServerError]] = {
    "AUTHENTICATIONFAILED": AuthenticationFailed,
    "AUTHORIZATIONFAILED": AuthenticationFailed,
    "EXPIRED": AuthenticationFailed,
    "PRIVACYREQUIRED": AuthenticationFailed,
    "CONTACTADMIN": ServerRefused,
    "NOPERM": ServerRefused,
    "UNAVAILABLE": ServerUnavailable,
    "LIMIT": ServerUnavailable,
    "SERVERBUG": ServerUnavailable,
    "INUSE": MailboxBusy,
    "OVERQUOTA": QuotaExceeded,
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
    kind = _ERROR_BY_CODE.get(reply.code, otherwise)
    if kind is AuthenticationFailed and reply.code == "ALERT" and "too many" in reply.text.lower():
        kind = ServerUnavailable  # how Gmail says that there are enough sessions
    return kind(_SENTENCE[kind].format(server=server, doing=doing, reason=reason_of(reply)), server=server)


def may_mean_missing_folder(reply: Reply) -> bool:
    """Tell whether a refusal may say that a folder is not there; not all servers give a code for it."""
    return reply.status == "NO" and reply.code not in _ERROR_BY_CODE


def reason_of(reply: Reply) -> str:
    """Return the server's own words on one line, at most 200 characters."""
    text = "".join(character if character.isprintable() else " " for character in reply.text)
    reason = " ".join(text.split())
    # The sign tells the mask of secrets that half of one may stand before it.
    shown = reason if len(reason) <= _LONGEST_REASON else reason[: _LONGEST_REASON - 1] + "…"
    return shown.rstrip(".") or "no reason given"
