"""The strict base of all models, and the two variables that every operation takes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.alias_generators import to_camel


class Request(BaseModel):
    """Input from a process: camelCase names, unknown fields refused, null and blank mean "not given"."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_what_was_not_given(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if not _is_blank(value)}


class Result(BaseModel):
    """Output to a process: `to_variables` gives the JSON object that the documentation shows.

    `quotes_server`: it holds answers of the mail server, which may echo a secret. Mail itself is never
    altered, whatever it holds.
    """

    quotes_server: ClassVar[bool] = False

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    def to_variables(self) -> Any:
        """Return the result as JSON values with camelCase names."""
        return self.model_dump(mode="json", by_alias=True)


class AuthenticationType(StrEnum):
    """How to sign in at the mail server."""

    SIMPLE = "simple"
    NO_AUTH = "noAuth"


class Authentication(Request):
    """A sign-in with user name and password."""

    type: Literal[AuthenticationType.SIMPLE] = AuthenticationType.SIMPLE
    username: SecretStr
    password: SecretStr

    @field_validator("username", "password")
    @classmethod
    def _no_line_breaks(cls, value: SecretStr) -> SecretStr:
        if any(character in value.get_secret_value() for character in "\r\n\0"):
            raise ValueError("may not hold a line break or NUL")
        return value


class OptionalAuthentication(Request):
    """A sign-in with user name and password, or none (SMTP relays)."""

    type: AuthenticationType = AuthenticationType.SIMPLE
    username: SecretStr | None = None
    password: SecretStr | None = None

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


class Server(Request):
    """The mail server. Without a port, the protocol's own for the encryption is taken."""

    host: str = Field(min_length=1)
    port: int | None = Field(default=None, ge=1, le=65535)
    cryptographic_protocol: CryptographicProtocol = CryptographicProtocol.TLS

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str) -> str:
        host = host.strip()
        if any(character.isspace() or character in "/@\0" for character in host):
            raise ValueError("must be a host name or an IP address alone, such as mail.example.com")
        return host.removeprefix("[").removesuffix("]")

    @field_validator("port", mode="before")
    @classmethod
    def _is_a_number(cls, port: Any) -> Any:
        if isinstance(port, bool):
            raise ValueError("must be a number from 1 to 65535")  # noqa: TRY004 - pydantic reports ValueError
        return port


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
