"""Address lists (RFC 5322, 3.4 and 4.4), also where senders break the rules.

The standard library's reader calls itself for each comment in a comment, and gives no address at all for
a list in which one is malformed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from worker.mail.message.parse_charsets import decode_text, to_json_text
from worker.mail.message.parse_words import decode_words

# The addresses of a longer field would not fit into a result that Camunda accepts.
_LONGEST = 1024 * 1024

_QUOTED = r'"(?:[^"\\]|\\.)*+"'
# An encoded word must not contain the separators of the list (RFC 2047, 5); if one does, it is plain text.
_WORD = r"=\?[^?]{1,64}\?[bBqQ]\?[^?]*+\?="
_OTHER = rf'{_WORD}|<[^<>]*+>|<[^<>,;]*+|\[[^\[\]]*+\]?|[(),;:]|\\.|[^"\\<\[(),;:=]+|.'
_TOKEN = re.compile(f"{_QUOTED}|{_OTHER}", re.DOTALL)
_TOKEN_WITHOUT_QUOTES = re.compile(_OTHER, re.DOTALL)
_INSIDE_COMMENT = re.compile(r"[()]|\\.|[^()\\]++|.", re.DOTALL)
_COMMENT = re.compile(r"\([^()]*\)")
_BEFORE_COLON = re.compile(r'\A(?:[^\[":]*+:)++')
_ADDRESS = re.compile(r'(?<![^\s"<>@])[^\s"<>@]++@[^\s"<>@]++')


def read_addresses(value: bytes) -> list[str]:
    """Return the bare addresses of an unfolded field, groups flattened: `["a@example.com"]`.

    Of a field of more than a mebibyte, those in its first.
    """
    value = value[:_LONGEST]
    addresses = _read(decode_text(value, None))
    if b"=?" in value and not any("@" in address and "=?" not in address for address in addresses):
        # Some senders encode the address together with the name.
        addresses = [address for address in _read(decode_words(value)) if "@" in address] or addresses
    # A lone word is a local user's name, or next to an address half of a name: Doe, Jane <jane@example.com>.
    addresses = [address for address in addresses if "@" in address] or addresses
    return [text for address in addresses if (text := to_json_text(_without_quotes(address)).strip())]


def _without_quotes(address: str) -> str:
    """Return an address without the single quotes that Exchange puts around it."""
    return address[1:-1] if address.startswith("'") and address.endswith("'") else address


def _read(text: str) -> list[str]:
    addresses = []
    words: list[str] = []
    for piece in [*_tokens(text), ","]:
        if piece in (",", ";"):
            addresses += _pick(_joined(words))
            words = []
        elif piece == ":":  # what stood before it is the name of a group
            words = []
        else:
            words.append(piece)
    return addresses


def _tokens(text: str) -> Iterator[str]:
    """Split at the list's own signs, leaving out comments, however deep; a lone quote is a blank."""
    if text.count("(") > text.count(")"):
        text = text.replace("(", " ")
    pattern = _TOKEN
    depth = position = 0
    while match := (_INSIDE_COMMENT if depth else pattern).match(text, position):
        piece = match[0]
        position = match.end()
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(0, depth - 1)
        elif not depth and piece == '"':  # never closed: none behind it is a pair either
            pattern = _TOKEN_WITHOUT_QUOTES
            yield " "
        elif not depth:
            yield piece


def _joined(words: list[str]) -> list[str]:
    """Return the words with plain text in one piece where a comment parted it."""
    joined: list[str] = []
    for is_plain, group in groupby(words, key=lambda word: word[0] not in '"<['):
        run = list(group)
        joined += ["".join(run)] if is_plain else run
    return joined


def _pick(words: list[str]) -> list[str]:
    """Return the address among the words of one mailbox: in angle brackets, else around an `@`.

    In several pairs of brackets there are several, if the commas were left out.
    """
    angles = [word for word in words if word.startswith("<")]
    found = [_unbracket(angle) for angle in angles] if angles else [_pick_bare(words)]
    complete = [address for address in found if address and "@" in address]
    return complete or [address for address in found[-1:] if address]


def _pick_bare(words: list[str]) -> str | None:
    """Return the address around an `@`, else a lone word."""
    at = next((i for i, word in enumerate(words) if "@" in word and not word.startswith('"')), None)
    if at is None:
        return _pick_lone("".join(words).strip())
    before, _, after = words[at].partition("@")
    local = before.split()[-1] if before.strip() else ""
    if at and words[at - 1].startswith('"') and len(before.split()) <= 1 and not before[:1].isspace():
        local = words[at - 1] + local
    domain = " ".join(after.split()).replace(" . ", ".").partition(" ")[0].rstrip(">")
    if not domain and at + 1 < len(words):
        domain = words[at + 1] if words[at + 1].startswith("[") else ""
    return f"{local}@{domain}" if local and domain else None


def _pick_lone(text: str) -> str | None:
    """Return a name without a domain (`root`), or an address that somebody has quoted."""
    if text.startswith('"'):
        address = _ADDRESS.search(text)
        return address[0] if address else None
    return text if len(text.split()) == 1 and not text.startswith("=?") else None


def _unbracket(angle: str) -> str | None:
    """Return the address in angle brackets without what stands before a colon.

    That is a source route (RFC 5322, 4.4), `mailto`, or the name of an empty group.
    """
    address = _BEFORE_COLON.sub("", _COMMENT.sub("", angle.strip("<>")).strip())
    if '"' in address:
        return address
    address = "".join(address.partition(",")[0].split()).rstrip(";")
    return address if address and not address.startswith("@") else None
