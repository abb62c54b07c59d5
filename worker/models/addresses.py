"""Mail addresses as people write them: one, a comma-separated list, or a list (RFC 5322 3.4, RFC 6531)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import idna
from pydantic import BeforeValidator, WithJsonSchema

from worker.masking import excerpt

_EXAMPLE = "name@example.com or Jane Doe <jane@example.com>"
_SHOWN_CHARACTERS = 80
_MAX_LOCAL_OCTETS = 64  # RFC 5321 4.5.3.1
_MAX_DOMAIN_OCTETS = 255

_QUOTED = r'"(?:\\.|[^"\\])*"'
_ENTRY = re.compile(rf'(?:{_QUOTED}|[^,"])+')
_NAMED = re.compile(rf"(?P<name>(?:{_QUOTED}|[^<\"])*)<(?P<mailbox>(?:{_QUOTED}|[^<>\"])*)>\s*", re.DOTALL)
_MAILBOX = re.compile(rf"(?P<local>{_QUOTED}|[^@\"]+)@(?P<domain>[^@]+)")
_QUOTED_PART = re.compile(_QUOTED)
# RFC 5322 atext, and with RFC 6531 everything beyond ASCII that is neither a space nor a control.
_ATOM = r'[^\s()<>\[\]:;@\\,".\x00-\x20\x7f-\x9f]+'
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED_LOCAL = re.compile(r'"(?:\\[\x20-\x7e]|[\x20\x21\x23-\x5b\x5d-\x7e])*"')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SPECIAL = re.compile(r"[()<>\[\]:;@\\,\"]")


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox with its display name; the domain is in its ASCII form (IDNA 2008)."""

    name: str
    local: str
    domain: str

    @property
    def spec(self) -> str:
        """The address alone, as it goes on the envelope: `local@domain`."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 (RFC 6531) can take it."""
        return not self.local.isascii()


def parse_addresses(value: Any) -> tuple[Address, ...]:
    """Read one address, a comma-separated list, or a list of either.

    Raises ValueError with a phrase that completes "<field> …" and shows what was found.
    """
    if isinstance(value, str):
        return _parse_list(value)
    if isinstance(value, tuple):  # a field's default
        return value
    if not isinstance(value, list):
        raise ValueError(f"must be an address or a list of addresses, found {_shown(value)}")  # noqa: TRY004 - pydantic reports ValueError
    if not value:
        raise ValueError("must hold at least one address, found an empty list")
    return tuple(address for entry in value for address in _parse_entry(entry))


def _parse_entry(entry: Any) -> tuple[Address, ...]:
    if not isinstance(entry, str):
        raise ValueError(f"must hold addresses as text, such as {_EXAMPLE}, found {_shown(entry)}")  # noqa: TRY004 - pydantic reports ValueError
    return _parse_list(entry)


def _parse_list(text: str) -> tuple[Address, ...]:
    if _CONTROL.search(text):
        raise ValueError(f"may not hold line breaks or control characters, found {_shown(text)}")
    entries = _ENTRY.findall(text)
    # Every comma outside quotes parts two entries: fewer entries mean an empty one or an open quote.
    if not entries or sum(map(len, entries)) + len(entries) - 1 != len(text):
        raise ValueError(
            f"must be addresses such as {_EXAMPLE} with a comma between them, found {_shown(text)}"
        )
    return tuple(_parse_one(entry.strip()) for entry in entries)


# A process writes from the same address again and again, and to the same few domains (below).
@lru_cache(maxsize=1_000)
def _parse_one(text: str) -> Address:
    named = _NAMED.fullmatch(text)
    name = _display_name(named["name"].strip(), text) if named else ""
    mailbox = _MAILBOX.fullmatch(named["mailbox"].strip() if named else text)
    if mailbox is None or not _is_local_part(mailbox["local"]):
        raise ValueError(f"must be an address such as {_EXAMPLE}, found {_shown(text)}{_hint(text)}")
    return Address(name=name, local=mailbox["local"], domain=_ascii_domain(mailbox["domain"], text))


def _display_name(text: str, found: str) -> str:
    if _SPECIAL.search(_QUOTED_PART.sub("", text)):
        raise ValueError(f"must have names with special characters in double quotes, found {_shown(found)}")
    return _QUOTED_PART.sub(lambda quoted: re.sub(r"\\(.)", r"\1", quoted[0][1:-1]), text).strip()


def _is_local_part(local: str) -> bool:
    if len(local.encode()) > _MAX_LOCAL_OCTETS:
        return False
    if local.startswith('"'):
        return _QUOTED_LOCAL.fullmatch(local) is not None
    return _DOT_ATOM.fullmatch(local) is not None


def _ascii_domain(domain: str, found: str) -> str:
    if domain.startswith("[") and domain.endswith("]"):
        return _address_literal(domain[1:-1], found)
    try:
        encoded = _encoded_domain(domain)
    except idna.IDNAError as error:
        raise ValueError(
            f"must have a valid domain after the @, found {_shown(found)}{_hint(found)}"
        ) from error
    if len(encoded) > _MAX_DOMAIN_OCTETS or encoded.endswith("."):
        raise ValueError(f"must have a valid domain after the @, found {_shown(found)}{_hint(found)}")
    return encoded


# IDNA looks at each letter several times.
@lru_cache(maxsize=1_000)
def _encoded_domain(domain: str) -> str:
    return idna.encode(domain, uts46=True).decode("ascii")


def _address_literal(literal: str, found: str) -> str:
    """Check `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3)."""
    try:
        if literal.lower().startswith("ipv6:"):
            return f"[IPv6:{ipaddress.IPv6Address(literal[len('ipv6:') :])}]"
        return f"[{ipaddress.IPv4Address(literal)}]"
    except ValueError as error:
        raise ValueError(
            f"must have a valid domain after the @, found {_shown(found)}{_hint(found)}"
        ) from error


def _hint(text: str) -> str:
    if ";" in text and ":" in text:
        return "; groups are not supported, name each address"
    if ";" in text:
        return "; put commas between addresses"
    if "(" in text:
        return "; comments are not supported, put a name before <address>"
    if "@" not in text:
        return "; there is no @ in it (names with a comma go in double quotes)"
    return ""


def _shown(value: Any) -> str:
    return excerpt(repr(value), _SHOWN_CHARACTERS)


AddressList = Annotated[
    tuple[Address, ...],
    BeforeValidator(parse_addresses),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""A field that takes one address, a comma-separated list or a list."""
