"""The strict base of all models, and the variable `server` that every operation takes."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache
from ipaddress import ip_address
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.alias_generators import to_camel

from worker.models.expectation import number_text

_MAX_HOST_CHARACTERS = 253  # RFC 1035, 2.3.4
_NOT_IN_A_HOST = re.compile(r"[\s/@\0]")


class Request(BaseModel):
    """Input from a process: camelCase names, unknown fields refused, null, blank and [] mean "not given".

    A number is its text where a text is meant. `may_be_empty`: texts for which "" is a value,
    and null a slip.
    """

    may_be_empty: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_what_was_not_given(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        texts = _text_fields(cls)
        return {
            name: number_text(value) if name in texts and _is_number(value) else value
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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


class Result(BaseModel):
    """Output to a process: `to_variables` gives the JSON object that the documentation shows."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    def to_variables(self) -> Any:
        """Return the result as JSON values with camelCase names."""
        return self.model_dump(mode="json", by_alias=True)


class CryptographicProtocol(StrEnum):
    """TLS: by STARTTLS or from the first byte, as the port asks. SSL: from the first byte. NONE: clear."""

    TLS = "TLS"
    SSL = "SSL"
    NONE = "NONE"


def one_spelling(host: str) -> str:
    """Return a host as all its spellings are kept: in small letters, without the dot at its end.

    That dot is no part of a name for TLS (RFC 6066 3). IPv6 addresses are shortened, without brackets.
    """
    host = host.strip().removeprefix("[").removesuffix("]").removesuffix(".").lower()
    return str(ip_address(host)) if _is_ip_address(host) else host


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class Server(Request):
    """The mail server. Without a port, the protocol's own for the encryption is taken."""

    host: str = Field(
        min_length=1,
        max_length=_MAX_HOST_CHARACTERS,
        title="Host",
        description="The mail server's name or IP address, as your mail provider gives it.",
        examples=["mail.example.com"],
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        title="Port",
        description="The usual one is filled in. Change it only where your mail provider says so.",
    )
    cryptographic_protocol: CryptographicProtocol = Field(
        default=CryptographicProtocol.TLS,
        title="Encryption",
        description="How the way to the server is protected. TLS is right for nearly every server.",
    )

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str) -> str:
        host = one_spelling(host)
        if not host or _NOT_IN_A_HOST.search(host) or (":" in host and not _is_ip_address(host)):
            raise ValueError("must be a host name or an IP address alone, such as mail.example.com")
        return host

    @field_validator("port", mode="before")
    @classmethod
    def _is_a_number(cls, port: Any) -> Any:
        if isinstance(port, bool):
            raise ValueError("must be a number from 1 to 65535")  # noqa: TRY004 - pydantic reports ValueError
        return port
