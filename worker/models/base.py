"""The strict base of all models, and the two variables that every operation takes."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache
from ipaddress import ip_address
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.alias_generators import to_camel

from worker.models.expectation import number_text

# Long enough for the tokens of OAuth.
MAX_PASSWORD_CHARACTERS = 16_384
_MAX_USERNAME_CHARACTERS = 320
_MAX_HOST_CHARACTERS = 253  # RFC 1035, 2.3.4
_NOT_IN_A_HOST = re.compile(r"[\s/@\0]")


class Request(BaseModel):
    """Input from a process: camelCase names, unknown fields refused, null, blank and [] mean "not given".

    A number for a text field is converted to text. `may_be_empty`: text fields for which "" is a valid value
    and null an error.
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


class AuthenticationType(StrEnum):
    """How to sign in at the mail server."""

    SIMPLE = "simple"
    NO_AUTH = "noAuth"


_USER_DESCRIPTION = "Often the whole email address. It can also be a secret, such as `{{secrets.MAIL_USER}}`."
_USER_EXAMPLES = ["orders@example.com"]
_SIGN_IN_DESCRIPTION = (
    "Use a secret of the worker, not the password itself: everyone who sees the diagram can read it."
    " `{{secrets.MAIL_PASSWORD}}` is the worker's environment variable `SECRET_MAIL_PASSWORD`."
)
_SIGN_IN_EXAMPLES = ["{{secrets.MAIL_PASSWORD}}"]


class Authentication(Request):
    """A sign-in with user name and password."""

    type: Literal[AuthenticationType.SIMPLE] = Field(
        default=AuthenticationType.SIMPLE,
        title="Authentication",
        description="How to sign in to the mail server.",
    )
    username: SecretStr = Field(
        max_length=_MAX_USERNAME_CHARACTERS,
        title="User name",
        description=_USER_DESCRIPTION,
        examples=_USER_EXAMPLES,
    )
    password: SecretStr = Field(
        max_length=MAX_PASSWORD_CHARACTERS,
        title="Password",
        description=_SIGN_IN_DESCRIPTION,
        examples=_SIGN_IN_EXAMPLES,
    )

    @field_validator("username", "password")
    @classmethod
    def _no_line_breaks(cls, value: SecretStr) -> SecretStr:
        if any(character in value.get_secret_value() for character in "\r\n\0"):
            raise ValueError("must not contain a line break or NUL")
        return value


class OptionalAuthentication(Request):
    """A sign-in with user name and password, or none (SMTP relays)."""

    type: AuthenticationType = Field(
        default=AuthenticationType.SIMPLE,
        title="Authentication",
        description="How to sign in to the mail server. `noAuth` is for a relay that takes email from your"
        " network without a password.",
    )
    username: SecretStr | None = Field(
        default=None,
        max_length=_MAX_USERNAME_CHARACTERS,
        title="User name",
        description=_USER_DESCRIPTION,
        examples=_USER_EXAMPLES,
    )
    password: SecretStr | None = Field(
        default=None,
        max_length=MAX_PASSWORD_CHARACTERS,
        title="Password",
        description=_SIGN_IN_DESCRIPTION,
        examples=_SIGN_IN_EXAMPLES,
    )

    @model_validator(mode="after")
    def _simple_needs_both(self) -> Self:
        if self.type is AuthenticationType.SIMPLE:
            Authentication.model_validate({"username": self.username, "password": self.password})
        return self


class CryptographicProtocol(StrEnum):
    """TLS: by STARTTLS or from the first byte, as the port asks. SSL: from the first byte. NONE: clear."""

    TLS = "TLS"
    SSL = "SSL"
    NONE = "NONE"


def one_spelling(host: str) -> str:
    """Return the normal form of a host: lower case, without a dot at the end.

    For TLS, that dot is not a part of the name (RFC 6066 3). IPv6 addresses are shortened, without brackets.
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
    """The mail server. Without a port, the usual one of protocol and encryption is used."""

    host: str = Field(
        min_length=1,
        max_length=_MAX_HOST_CHARACTERS,
        title="Host",
        description="Name or IP address of the mail server, as given by your mail provider.",
        examples=["mail.example.com"],
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        title="Port",
        description="The usual port is filled in. Change it only if your mail provider says so.",
    )
    cryptographic_protocol: CryptographicProtocol = Field(
        default=CryptographicProtocol.TLS,
        title="Connection",
        description="How the connection to the mail server is encrypted. TLS is right for nearly all.",
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
