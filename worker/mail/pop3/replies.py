"""What a POP3 server's answers mean: response codes, capabilities, listings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

from worker.errors import (
    AuthenticationFailed,
    MailboxBusy,
    MailServerError,
    ProtocolViolation,
    ServerRefused,
    ServerUnavailable,
)

# Extended response codes (RFC 2449, section 8; RFC 3206). Levels may follow: SYS/TEMP/X is SYS/TEMP.
_ERROR_BY_CODE: dict[str, type[MailServerError]] = {
    "IN-USE": MailboxBusy,
    "LOGIN-DELAY": ServerUnavailable,
    "SYS/TEMP": ServerUnavailable,
    "SYS/PERM": ServerRefused,
    "AUTH": AuthenticationFailed,
}
_CODE = re.compile(r"-ERR\s+\[([A-Z0-9/_-]+)\]", re.IGNORECASE)
# Servers without response codes say it in the words of RFC 1939 ("maildrop already locked"). The noun
# is asked for, since "account locked" is another matter.
_LOCKED = re.compile(r"(maildrop|mailbox|mail drop)\b.*\b(locked|lock|in use|busy)\b", re.IGNORECASE)
_LONGEST_REASON = 200
_PRINTABLE = bytes(range(ord("!"), ord("~") + 1))
_SENTENCE: dict[type[MailServerError], str] = {
    AuthenticationFailed: "{server} refused the sign-in ({reason}); check user name and password.",
    MailboxBusy: "The mailbox at {server} is in use by another session ({reason}).",
    ServerRefused: "{server} refused {doing} ({reason}).",
    ServerUnavailable: "{server} cannot do this now: {doing} ({reason}).",
}


def refusal(
    server: str, reply: bytes, doing: str, otherwise: type[MailServerError] = ServerRefused
) -> MailServerError:
    """Return the error for a `-ERR` answer; `otherwise` is what it means without a response code."""
    text = reply.decode("utf-8", "replace")
    if not text.upper().startswith("-ERR"):
        return ProtocolViolation(
            f"{server} does not answer as a POP3 server; check host, port and cryptographicProtocol.",
            server=server,
        )
    kind = _error_by_code(text) or otherwise
    if kind is AuthenticationFailed and _LOCKED.search(text):
        kind = MailboxBusy
    reason = _printable(text[len("-ERR") :]) or "no reason given"
    return kind(_SENTENCE[kind].format(server=server, doing=doing, reason=reason), server=server)


def _error_by_code(text: str) -> type[MailServerError] | None:
    match = _CODE.match(text)
    code = match[1].upper() if match else ""
    return next((kind for name, kind in _ERROR_BY_CODE.items() if f"{code}/".startswith(f"{name}/")), None)


def _printable(text: str) -> str:
    text = "".join(character if character.isprintable() else " " for character in text)
    reason = " ".join(text.split())
    # The sign tells the mask of secrets that half of one may stand before it.
    shown = reason if len(reason) <= _LONGEST_REASON else reason[: _LONGEST_REASON - 1] + "…"
    return shown.rstrip(".")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server says it can do (CAPA, RFC 2449), and its SASL mechanisms: names in upper case."""

    names: frozenset[str]
    sasl: frozenset[str] = frozenset()

    def __contains__(self, name: str) -> bool:
        return name in self.names


def wants_sasl(capabilities: Capabilities | None, username: str, password: str) -> bool:
    """Tell whether to sign in by SASL PLAIN, which is UTF-8 (RFC 4616); USER and PASS are ASCII alone."""
    if capabilities is None or "PLAIN" not in capabilities.sasl:
        return False
    is_plain = (username + password).isascii() and " " not in username
    return not is_plain or "USER" not in capabilities


def read_capabilities(block: bytes) -> Capabilities:
    """Read the lines of a CAPA answer; what is no capability is passed over."""
    lines = [line.upper().split() for line in block.decode("ascii", "replace").splitlines()]
    by_name = {words[0]: words[1:] for words in lines if words}
    return Capabilities(frozenset(by_name), frozenset(by_name.get("SASL", [])))


def read_sizes(block: bytes) -> dict[int, int]:
    """Read the scan listings of a LIST answer: message numbers with octets. ValueError for other lines."""
    words = _words_of_pairs(block)
    if words is not None:
        return dict(zip(map(int, words), map(int, words), strict=True))
    sizes = {}
    for line in block.splitlines():
        number, size = line.split()[:2]  # RFC 1939 lets more follow
        sizes[int(number)] = int(size)
    return sizes


def read_uids(block: bytes) -> dict[int, str]:
    """Read the unique-id listings of a UIDL answer: message numbers with ids. ValueError for other lines."""
    words = _words_of_pairs(block)
    if words is not None:
        return dict(zip(map(int, words), words, strict=True))
    uids = {}
    for line in block.splitlines():
        number, uid = line.split(maxsplit=1)
        uids[int(number)] = _printable_uid(uid.strip())
    return uids


def _words_of_pairs(block: bytes) -> Iterator[str] | None:
    """Return all words where each line is two of them, printable, with a space between; else None.

    That is how servers write listings, and tens of thousands of lines are read at once in this way.
    """
    lines = block.count(b"\n")
    if block.translate(None, _PRINTABLE) != b" \r\n" * lines:
        return None
    words = block.decode("ascii").split()
    return iter(words) if len(words) == 2 * lines else None


def _printable_uid(uid: bytes) -> str:
    """Return a unique id as text: RFC 1939 allows printable ASCII, anything else stays distinct."""
    text = uid.decode("latin-1")
    return text if text.isascii() and text.isprintable() else quote_from_bytes(uid)
