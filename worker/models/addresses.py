"""Email addresses as people and programs write them (RFC 5322 3.4 and 4.4, RFC 6531): one, or a list."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any

import idna
from pydantic import BeforeValidator, WithJsonSchema

from worker.models.bounds import ADDRESS_CHARACTERS, ADDRESS_LIST_CHARACTERS, ADDRESSES
from worker.models.expectation import shown
from worker.models.texts import check_characters

_EXAMPLE = "name@example.com or Jane Doe <jane@example.com>"
_MAX_OCTETS = 254  # RFC 5321 4.5.3.1.3, without the angle brackets; how long a local part may be, servers say

# A backslash and what follows are read as a unit: what is not closed is looked for once, not at every `"`.
# The bounds are there because each step of a repeated group takes memory.
_QUOTED = r'"(?:\\.|[^"\\]++){0,2000}+"'
_INNER_COMMENT = r"\((?:\\.|[^()\\]++){0,2000}+\)"
_COMMENT = rf"\((?:\\.|[^()\\]++|{_INNER_COMMENT}){{0,2000}}+\)"
_LITERAL = r"\[[^\[\]]*+\]"
_ANGLED = rf'<(?:{_QUOTED}|\\.|[^<>"\\]++){{0,2000}}+>'
_TOKEN = re.compile(rf'{_QUOTED}|{_COMMENT}|{_LITERAL}|{_ANGLED}|[^"(\[<,;:\\]++|\\?.', re.DOTALL)
_MAILBOX = re.compile(rf"(?P<local>{_QUOTED}|[^@\"]+)@(?P<domain>[^@]+)")
_ROUTE = re.compile(r"^(?:@[^:,@]*,?)+:")  # RFC 5322 4.4: to be ignored
_AROUND_A_DOT = re.compile(rf"({_QUOTED}|\\.|[ \t]++(?![@.]))|[ \t]*+([@.])[ \t]*+", re.DOTALL)
# RFC 5322 atext, and with RFC 6531 everything beyond ASCII that is neither a space nor a control.
_ATOM = r'[^\s()<>\[\]:;@\\,".\x00-\x20\x7f-\x9f]+'
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED_LOCAL = re.compile(r'"(?:\\[\x20-\x7e]|[\x20\x21\x23-\x5b\x5d-\x7e])*"')
# IDNA refuses names that exist: mail_server in a container network, ab--cd.example.
_HOST = re.compile(r"(?!.*xn--)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.|\Z))+(?<!\.)", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_FOLDING = re.compile(r"\r?\n[ \t]+|\t")
_SPECIAL = re.compile(r"[<>:;\\,\"]")


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox with its display name; the domain is in its ASCII form (IDNA 2008)."""

    name: str
    local: str
    domain: str

    @property
    def spec(self) -> str:
        """The address without the name, as in the envelope: `local@domain`."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 (RFC 6531) can take it."""
        return not self.local.isascii()


def parse_addresses(value: Any) -> tuple[Address, ...]:
    """Read one address, a list in one text, or a list of such; empty entries and null do not count.

    Raises ValueError with a phrase that completes "<field> …" and shows what was found.
    """
    if isinstance(value, tuple):  # a field's default
        return value
    every = (address for text in _texts(value, "") for address in _parse_list(text))
    addresses = tuple(islice(every, ADDRESSES + 1))
    if len(addresses) > ADDRESSES:
        raise ValueError(f"must have at most {ADDRESSES:,} addresses")
    return addresses


def _texts(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        # What gives a list in the process may stand in a list of the diagram.
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")
    elif value is not None:
        place = f" at {path}" if path else ""
        raise ValueError(f"must be an address or a list of addresses, found {shown(value)}{place}")


def _parse_list(text: str) -> Iterator[Address]:
    check_characters(text)
    if len(text) > ADDRESS_LIST_CHARACTERS:
        raise ValueError(f"must have at most {ADDRESS_LIST_CHARACTERS:,} characters in one text")
    if _CONTROL.search(text):
        raise ValueError(f"must not contain control characters, found {shown(text)}")
    for entry in _entries(_FOLDING.sub(" ", text)):
        stripped = _without_invisible_ends(entry)
        if "\r" in stripped or "\n" in stripped:
            raise ValueError(
                f"must not contain line breaks within an address, found {shown(stripped)};"
                " put commas between addresses"
            )
        if len(stripped) > ADDRESS_CHARACTERS:
            raise ValueError(
                f"must have addresses of at most {ADDRESS_CHARACTERS:,} characters, found {shown(stripped)}"
            )
        if stripped:
            yield _parse_one(stripped)


def _entries(text: str) -> Iterator[str]:
    """Part a list at its commas; of a group (`name: a@x, b@x;`) only the members count."""
    parts = _TOKEN.findall(text)
    last_semicolon = max((index for index, part in enumerate(parts) if part == ";"), default=-1)
    entry: list[str] = []
    is_in_group = False
    for index, part in enumerate(parts):
        if part == "," or (part == ";" and is_in_group):
            is_in_group = is_in_group and part == ","
            yield "".join(entry)
            entry = []
        elif part == ":" and not is_in_group and index < last_semicolon:
            is_in_group = True
            entry = []
        else:
            entry.append(part)
    yield "".join(entry)


def _without_invisible_ends(text: str) -> str:
    start, end = 0, len(text)
    while start < end and _is_blank(text[start]):
        start += 1
    while end > start and _is_blank(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) == "Cf"


# A process writes from the same address again and again, and to the same few domains (below).
@lru_cache(maxsize=1_000)
def _parse_one(text: str) -> Address:
    tokens = _TOKEN.findall(text)
    angled = next((index for index, token in enumerate(tokens) if _is_of(token, "<")), None)
    if angled is not None and _are_comments(tokens[angled + 1 :]):
        name = _display_name(tokens[:angled], text)
        written = _without_comments(_TOKEN.findall(tokens[angled][1:-1]))
    else:
        # The old way to write a name: jane@example.com (Jane Doe).
        comments = [token for token in tokens if _is_of(token, "(")]
        name, written = (comments[-1][1:-1].strip() if comments else ""), _without_comments(tokens)
    written = _ROUTE.sub("", _AROUND_A_DOT.sub(lambda found: found[1] or found[2], written))
    mailbox = _MAILBOX.fullmatch(_without_invisible_ends(written))
    if mailbox:
        _check_visible(mailbox[0], text)
    if mailbox is None or not _is_local_part(mailbox["local"]):
        raise ValueError(f"must be an address such as {_EXAMPLE}, found {shown(text)}{_hint(text)}")
    address = Address(name=name, local=mailbox["local"], domain=_ascii_domain(mailbox["domain"], text))
    if len(address.spec.encode()) > _MAX_OCTETS:
        raise ValueError(f"must have addresses of at most {_MAX_OCTETS} octets, found {shown(text)}")
    return address


def _is_of(token: str, opening: str) -> bool:
    """Tell whether a token is more than its opening sign: a quoted text, a comment, or in angle brackets."""
    return len(token) > 1 and token.startswith(opening)


def _are_comments(tokens: list[str]) -> bool:
    return all(_is_of(token, "(") or token.isspace() for token in tokens)


def _without_comments(tokens: list[str]) -> str:
    return "".join(" " if _is_of(token, "(") else token for token in tokens)


def _display_name(tokens: list[str], found: str) -> str:
    bare = "".join(token for token in tokens if not (_is_of(token, '"') or _is_of(token, "(")))
    if _SPECIAL.search(bare):
        raise ValueError(f"must have names with special characters in double quotes, found {shown(found)}")
    name = "".join(_ESCAPED.sub(r"\1", token[1:-1]) if _is_of(token, '"') else token for token in tokens)
    return _without_invisible_ends(name)


def _check_visible(mailbox: str, found: str) -> None:
    """Refuse what nobody sees: a pasted mark of order, a joiner, a blank without width."""
    for character in mailbox:
        if unicodedata.category(character) == "Cf":
            what = f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
            raise ValueError(
                f"must have addresses without invisible characters, found {what} in {shown(found)}"
            )


def _is_local_part(local: str) -> bool:
    return (_QUOTED_LOCAL.fullmatch(local) or _DOT_ATOM.fullmatch(local)) is not None


def _ascii_domain(domain: str, found: str) -> str:
    is_literal = domain.startswith("[") and domain.endswith("]")
    with suppress(ValueError):
        encoded = _address_literal(domain[1:-1]) if is_literal else _encoded_domain(domain)
        if not encoded.endswith("."):
            return encoded
    raise ValueError(f"must have a valid domain after the @, found {shown(found)}{_hint(found)}")


# IDNA looks at each letter several times.
@lru_cache(maxsize=1_000)
def _encoded_domain(domain: str) -> str:
    if _HOST.fullmatch(domain):
        return domain.lower()
    return idna.encode(domain, uts46=True).decode("ascii")


def _address_literal(literal: str) -> str:
    """Check `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3)."""
    if literal.lower().startswith("ipv6:"):
        return f"[IPv6:{ipaddress.IPv6Address(literal[len('ipv6:') :])}]"
    return f"[{ipaddress.IPv4Address(literal)}]"


def _hint(text: str) -> str:
    if ";" in text:
        return "; put commas between addresses"
    if "@" not in text:
        return "; there is no @ in it (names with a comma go in double quotes)"
    return ""


AddressList = Annotated[
    tuple[Address, ...],
    BeforeValidator(parse_addresses),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""A field that takes one address, a comma-separated list or a list."""
