"""The errors that the refusals of an IMAP server become. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from worker.errors import (
    ConnectionFailed,
    MailServerError,
    ProtocolViolation,
    QuotaExceeded,
    ServerRefused,
    ServerUnavailable,
)
from worker.mail.imap.replies import Reply
from worker.mail.refusals import meaning_of, reason_of, refusal_of

# With these codes (RFC 5530; RFC 9051, 7.1) the text may repeat the name of a folder.
_MISSING = frozenset({"NONEXISTENT", "TRYCREATE", "ALREADYEXISTS", "EXPUNGEISSUED"})
# Servers older than RFC 5530 say so in words: "Over quota", "Quota exceeded", "Mailbox is full".
_FULL = re.compile(
    r"\[OVERQUOTA\b|\bover ?quota\b|\A(?=.*\bquota\b).*\bexceed|\bis full\b", re.IGNORECASE | re.DOTALL
)
# Commands that change something.
CHANGING = frozenset({"APPEND", "CREATE", "EXPUNGE", "UID COPY", "UID EXPUNGE", "UID MOVE", "UID STORE"})


def refusal(server: str, reply: Reply, otherwise: type[MailServerError] = ServerRefused) -> MailServerError:
    """Return the error for a NO, BAD or BYE; `otherwise`: what it means without a reason."""
    return refusal_of(server, reply.text, f"to {reply.doing}", _kind_of(reply) or otherwise)


def is_unexplained(reply: Reply) -> bool:
    """Tell whether a refusal has no code and no text that says why: something may not be there."""
    return not reply.is_ok and _kind_of(reply) is None


def _kind_of(reply: Reply) -> type[MailServerError] | None:
    if reply.code in _MISSING:
        return None
    kind = meaning_of(reply.text)
    if kind is None and reply.command in CHANGING and _FULL.search(reply.text):
        return QuotaExceeded
    # To other commands a full mailbox does not matter: it means what may be asked for in a day.
    return ServerUnavailable if kind is None and reply.code == "OVERQUOTA" else kind


def failure(
    server: str, error: Exception, doing: str, *, goodbye: Reply | None = None, is_open: bool = True
) -> MailServerError:
    """Return the error for an exception other than a refusal. `is_open`: the sign-in has succeeded.

    `goodbye`: the reply with which the server ended the session.
    """
    is_end = not isinstance(error, MailServerError) or isinstance(error, ConnectionFailed)
    if goodbye is not None and is_end:
        if not is_open:
            return refusal(server, replace(goodbye, doing=doing), ServerUnavailable)
        text = f"{server} closed the connection ({reason_of(goodbye.text)}) when asked to {doing}."
        return ConnectionFailed(text, server=server)
    if isinstance(error, MailServerError):
        return error
    text = f"{server} does not answer as an IMAP server when asked to {doing} ({reason_of(str(error))})."
    return ProtocolViolation(text, server=server)
