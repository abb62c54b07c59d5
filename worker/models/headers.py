"""Header fields that a process adds to an email: which ones, and which values."""

from __future__ import annotations

import re
from typing import Any

from worker.models.addresses import parse_addresses
from worker.models.bounds import HEADER_CHARACTERS, HEADERS
from worker.models.expectation import number_as_text, shown
from worker.models.texts import check_line

# RFC 5322 3.6.8: printable ASCII but the colon.
HEADER_NAME = re.compile(r"[!-9;-~]{1,70}")
ID = r"[!-;=?A-~]+@[!-;=?A-~]+"  # printable ASCII without <, > and @
_MESSAGE_ID = re.compile(rf"<{ID}>|{ID}")
_MAX_MESSAGE_ID = 250

# What the worker writes itself, or the servers on the way: a second one would contradict the first.
_WRITTEN_BY_FIELD = frozenset({"from", "to", "cc", "bcc", "subject"})
_WRITTEN_BY_WORKER = frozenset(
    {"sender", "date", "mime-version", "received", "return-path", "delivered-to", "received-spf"}
    | {"authentication-results", "dkim-signature", "domainkey-signature"}
)
_RESERVED_PREFIXES = ("content-", "resent-", "arc-")
# Fields of which programs read each word (RFC 2047 5: no encoded words there).
_STRUCTURED = re.compile(
    "archived-at|auto-submitted|autocrypt|expires|feedback-id|importance|in-reply-to|list-.*|message-context"
    "|mt-priority|obsoletes|precedence|priority|references|reply-by|sensitivity|supersedes|tls-required"
    "|x-auto-response-suppress|x-msmail-priority|x-priority"
)
_FOLDING = re.compile(r"\r?\n[ \t]+")
_WORD_CHARACTERS = 900  # of 998 in a line (RFC 5322 2.1.1)
_PRINTABLE_WORD = f"[!-~]{{1,{_WORD_CHARACTERS}}}"
_PRINTABLE_WORDS = re.compile(rf"{_PRINTABLE_WORD}(?:[ \t]+{_PRINTABLE_WORD})*")
ADDRESS_HEADERS = frozenset(
    {"disposition-notification-to", "errors-to", "mail-followup-to", "reply-to", "return-receipt-to"}
)


def is_structured(name: str) -> bool:
    """Whether a header field is made of words that programs read, and is not a text for people."""
    return _STRUCTURED.fullmatch(name.lower()) is not None


def read_headers(headers: dict[str, Any]) -> dict[str, str]:
    """Return the given fields, each with its text; raises ValueError to complete "headers …"."""
    if len(headers) > HEADERS:
        raise ValueError(f"must have at most {HEADERS} header fields")
    given = {name: _header_text(name, value) for name, value in headers.items() if not _is_blank(value)}
    # "Reply-To" may be an empty list of addresses, as "cc" may.
    texts = {
        name: text for name, text in given.items() if name.lower() not in ADDRESS_HEADERS or text.strip(", ")
    }
    seen: set[str] = set()
    for name, text in texts.items():
        _check_header(name, text)
        if name.lower() in seen:
            raise ValueError(f"must contain {name} only once (case-insensitive)")
        seen.add(name.lower())
    return texts


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip(" \t"))


def _header_text(name: Any, value: Any) -> str:
    if isinstance(value, str):
        # Folded, as in a field of another email; elsewhere a line break is a mistake or an attack.
        return (_FOLDING.sub(" ", value) if is_structured(str(name)) else value).strip(" \t")
    text = number_as_text(value)
    if not isinstance(text, str):
        raise ValueError(f"must contain texts and numbers only, but {shown(name)} is something else")  # noqa: TRY004 - pydantic reports ValueError
    return text


def _check_header(name: str, value: str) -> None:
    if not HEADER_NAME.fullmatch(name):
        raise ValueError(f"must have names of printable ASCII characters without colon, found {shown(name)}")
    if len(value) > HEADER_CHARACTERS:
        raise ValueError(f"must have values of at most {HEADER_CHARACTERS:,} characters, but {name} has more")
    try:
        check_line(value)
    except ValueError as error:
        raise ValueError(f"{error}, but {name} does") from error
    lowered = name.lower()
    if lowered in _WRITTEN_BY_FIELD:
        raise ValueError(f"must not contain {name}: use the field {lowered}")
    if lowered in _WRITTEN_BY_WORKER or lowered.startswith(_RESERVED_PREFIXES):
        raise ValueError(f"must not contain {name}: the worker or the mail servers write it")
    if lowered == "message-id":
        check_message_id(value)
    if lowered in ADDRESS_HEADERS:
        _check_addresses(name, value)
    if is_structured(name) and not _PRINTABLE_WORDS.fullmatch(value):
        raise ValueError(
            f"may contain only printable ASCII characters in {name}, at most {_WORD_CHARACTERS} of them"
            f" without a blank, found {shown(value)}"
        )


def check_message_id(value: str) -> None:
    """Raise ValueError if it is no Message-ID, with or without angle brackets."""
    if len(value) > _MAX_MESSAGE_ID or not _MESSAGE_ID.fullmatch(value):
        raise ValueError(f"must have a Message-ID such as <unique@example.com>, found {shown(value)}")


def _check_addresses(name: str, value: str) -> None:
    try:
        parse_addresses(value)
    except ValueError as error:
        raise ValueError(f"are refused because {name} {error}") from error
