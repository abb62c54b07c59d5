"""The strict base of all models, and the variable `server` that every operation takes."""

from __future__ import annotations

import re
from contextlib import suppress
from enum import StrEnum
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, ClassVar, get_args

import idna
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.alias_generators import to_camel

from worker.models.bounds import HOST_CHARACTERS
from worker.models.expectation import number_as_text

HOST_AND_PORT = r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
"""A regular expression for the place that a URL names, without a user name."""
WEB_ADDRESS = re.compile(rf"https?://{HOST_AND_PORT}(/[^\s?#@]*)?", re.IGNORECASE)
"""A URL without a user name, query and fragment."""
# After it has been encoded; with the underscore of Docker's names.
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_NUMBERS = re.compile(r"(?:(?:0x[0-9a-f]+|[0-9]+)(?:\.(?!\Z)|\Z)){1,4}")
_DOTS = re.compile(r"[.\u3002\uff0e\uff61]")  # RFC 3490, 3.1


class Request(BaseModel):
    """Input from a process: camelCase names, unknown fields refused, null, blank and [] mean "not given".

    The text below a field describes it. A number for a text field is converted to text. `may_be_empty`: text
    fields for which "" is a valid value and null an error.
    """

    may_be_empty: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_what_was_not_given(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        texts = _text_fields(cls)
        return {
            name: number_as_text(value) if name in texts else value
            for name, value in data.items()
            # An expression that finds nobody for "cc" gives an empty list.
            if name in cls.may_be_empty or not (value is None or value == [] or _is_blank(value))
        }


@cache
def _text_fields(model: type[Request]) -> frozenset[str]:
    """Return the names of the fields that take a text."""
    return frozenset(
        field.alias or name
        for name, field in model.model_fields.items()
        if {str, SecretStr} & {field.annotation, *get_args(field.annotation)}
    )


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


class Result(BaseModel):
    """Output to a process: `to_variables` gives the JSON object that the documentation shows."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    def to_variables(self) -> Any:
        """Return the result as JSON values with camelCase names."""
        return self.model_dump(mode="json", by_alias=True)


def is_none(value: Any) -> bool:
    """Tell whether a field of a result is left out."""
    return value is None


class CryptographicProtocol(StrEnum):
    """TLS: by STARTTLS or from the first byte, as the port asks. SSL: from the first byte. NONE: clear."""

    TLS = "TLS"
    SSL = "SSL"
    NONE = "NONE"


def one_spelling(host: str) -> str:
    """Return the normal form of a host: lower case, without a dot at the end.

    For TLS, that dot is not a part of the name (RFC 6066 3). IPv6 addresses are shortened, without brackets.
    IPv4 addresses in IPv6 form and in old forms (127.1) become plain IPv4 addresses. Letters beyond ASCII
    are encoded as for DNS.
    """
    host = host.strip().removeprefix("[").removesuffix("]").lower()
    host = ".".join(map(_ascii_label, _DOTS.split(host))).removesuffix(".")
    if (address := _ip_address(host)) is not None:
        return str(getattr(address, "ipv4_mapped", None) or address)
    return host


def read_host(host: str) -> str:
    """Return the normal form of a host; raises ValueError if it is none."""
    host = one_spelling(host)
    is_name = len(host) <= HOST_CHARACTERS and _NAME.fullmatch(host)
    if not is_name and _ip_address(host) is None:
        raise ValueError("must be a host name or an IP address alone, such as mail.example.com")
    return host


def _ip_address(host: str) -> IPv4Address | IPv6Address | None:
    with suppress(ValueError):
        address = ip_address(host)
        # Only a link-local address has a zone; at others the system ignores it.
        return address if address.is_link_local else ip_address(host.partition("%")[0])
    with suppress(ValueError, OverflowError):
        return _old_ipv4_address(host) if _NUMBERS.fullmatch(host) else None
    return None


def _old_ipv4_address(text: str) -> IPv4Address:
    """Read what systems take for an address too (inet_aton): 127.1, 0x7f.0.0.1, 2130706433."""
    *first, last = (
        int(part, 8 if part.startswith("0") and not part.startswith("0x") else 0) for part in text.split(".")
    )
    octets = bytes(first) + last.to_bytes(4 - len(first), "big")
    return IPv4Address(octets)


def _ascii_label(label: str) -> str:
    """Return a label of a name as in DNS (IDNA 2008); a text that is no label, as in a pattern, unchanged."""
    with suppress(idna.IDNAError):
        return label if label.isascii() else idna.encode(label, uts46=True).decode("ascii")
    return label


class Server(Request):
    """The mail server. Without a port, the usual one of protocol and encryption is used."""

    host: str = Field(min_length=1, max_length=HOST_CHARACTERS, title="Host", examples=["mail.example.com"])
    """Name or IP address of the mail server, as given by your mail provider."""
    port: int | None = Field(default=None, ge=1, le=65535, title="Port")
    """The usual port is filled in. Change it only if your mail provider says so."""
    cryptographic_protocol: CryptographicProtocol = Field(
        default=CryptographicProtocol.TLS, title="Connection"
    )
    """How the connection to the mail server is encrypted. TLS is right for nearly all."""

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str) -> str:
        return read_host(host)

    @field_validator("port", mode="before")
    @classmethod
    def _is_a_number(cls, port: Any) -> Any:
        if isinstance(port, bool):
            raise ValueError("must be a number from 1 to 65535")  # noqa: TRY004 - pydantic reports ValueError
        return port
