"""What the texts mean by which IMAP and POP3 servers refuse, and the errors that say so. Pure."""

from __future__ import annotations

import re

from worker.errors import (
    AuthenticationFailed,
    MailboxBusy,
    MailServerError,
    QuotaExceeded,
    ServerRefused,
    ServerUnavailable,
)
from worker.masking import excerpt

_READ_CHARACTERS = 1000
_SHOWN_CHARACTERS = 200
_SENTENCE: dict[type[MailServerError], str] = {
    AuthenticationFailed: "{server} refused the sign-in ({reason}); check user name and password.",
    MailboxBusy: "The mailbox at {server} is in use by another session ({reason}).",
    QuotaExceeded: "The mailbox at {server} is full: it refused {request} ({reason}).",
    ServerRefused: "{server} refused {request} ({reason}).",
    ServerUnavailable: "{server} refused {request} for now ({reason}).",
}

# The first that matches decides. Texts are of servers that give no code, or one that means something else.
_MEANINGS: list[tuple[re.Pattern[str], type[MailServerError]]] = [
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        # IMAP: RFC 5530
        (r"\[(AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED|PRIVACYREQUIRED)\b", AuthenticationFailed),
        # IMAP: RFC 9051, 7.1 (UNAVAILABLE, SERVERBUG, LIMIT); Yahoo and Exchange Online (THROTTLED)
        (r"\[(UNAVAILABLE|SERVERBUG|LIMIT|THROTTLED)\b", ServerUnavailable),
        # POP3: RFC 2449, 8, and RFC 3206; more may follow a code: [SYS/TEMP/X] is [SYS/TEMP]
        (r"\[(LOGIN-DELAY|SYS/TEMP)\b", ServerUnavailable),
        (r"\[SYS/PERM\b", ServerRefused),
        # RFC 5530, RFC 2449; RFC 1939 ("maildrop already locked"), Cyrus ("Mailbox is locked by POP server"),
        # UW ("Mailbox in use", "Can't get lock. Mailbox in use"), Qpopper ("lock busy! Is another session
        # active?"). The noun is asked for: "account locked" is another matter.
        (r"\[IN-?USE\b|\bmail ?(drop|box)\b.*\b(locked|lock|in use|busy)\b", MailboxBusy),
        (r"\block.*\bmailbox in use\b|\block busy\b", MailboxBusy),
        (r"\b(accessed|used|locked|opened) by another\b|\banother (\w+ )?session is\b", MailboxBusy),
        (r"\balready logged (in|on)\b", MailboxBusy),
        (r"\[AUTH\b", AuthenticationFailed),
        # QQ names several reasons, "password is incorrect" among them, and "system is busy": more attempts
        # would lock the account
        (r"\b(invalid|incorrect|wrong|bad)\b.*\b(password|credentials)\b", AuthenticationFailed),
        (r"\bpassword is (invalid|incorrect|wrong)\b", AuthenticationFailed),
        # Exchange: "authenticated but not connected", "Connection is closed. 13", "Request is throttled",
        # "Server Unavailable. 15"
        (r"\bnot connected\b|\bconnection is closed\b|\bthrottl(ed|ing)\b", ServerUnavailable),
        (r"\b(server|service|backend) (is )?(currently )?unavailable\b", ServerUnavailable),
        # Gmail says "Too many simultaneous connections" and "Account exceeded command or bandwidth limits",
        # Dovecot "Maximum number of connections ... exceeded", Courier "Maximum connection limit reached",
        # Outlook.com "Exceeded the login limit", Yahoo "Rate limit hit"
        (r"\b(maximum|too many)\b.*\b(connection|session|command|request)", ServerUnavailable),
        (r"\b(bandwidth|rate|login|connection|session)s? limit", ServerUnavailable),
        (r"\b(login|rate|frequency) (frequency )?(limited|exceeded)\b", ServerUnavailable),
        # Gmail: "Temporary System Error"; Dovecot: "Temporary authentication failure", "Internal error
        # occurred"; Yahoo: "Server error - Please try again later"; QQ: "system busy"
        (r"\btemporary (\w+ )?(error|failure|problem)\b|\btemporarily\b", ServerUnavailable),
        (r"\b(internal|server|system|backend|database) error\b", ServerUnavailable),
        # proxies before the mail server (Perdition: "Could not connect to server"), and Cyrus' saslauthd
        (r"\b(cannot|can't|could not|unable to) (connect|contact|reach)\b", ServerUnavailable),
        (r"\btim(ed |e-?)out\b", ServerUnavailable),
        (r"\b(system|server|service) (is )?(too )?busy\b|\boverloaded\b", ServerUnavailable),
        (r"\btry (it )?(again )?(later|after|in (a|\d+))\b", ServerUnavailable),
        # IMAP: RFC 5530
        (r"\[CONTACTADMIN\b", ServerRefused),
        (r"\[NOPERM\b", ServerRefused),
    )
]


def meaning_of(text: str) -> type[MailServerError] | None:
    """Return what a refusal means, by its code and its words; None if they do not tell."""
    text = text[:_READ_CHARACTERS]
    return next((kind for pattern, kind in _MEANINGS if pattern.search(text)), None)


def refusal_of(server: str, text: str, request: str, kind: type[MailServerError]) -> MailServerError:
    """Return the error for a refusal. `request`: what was refused, as in "refused RETR 1"."""
    sentence = _SENTENCE[kind].format(server=server, request=request, reason=reason_of(text))
    return kind(sentence, server=server)


def reason_of(text: str) -> str:
    """Return the server's text on one line, at most 200 characters."""
    return excerpt(text, _SHOWN_CHARACTERS).rstrip(".") or "no reason given"
