"""How a task signs in at its mail server: `authentication`, whose `type` decides on its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from worker.models.base import WEB_ADDRESS, Request
from worker.models.bounds import PASSWORD_CHARACTERS, SIGN_IN_CHARACTERS, USERNAME_CHARACTERS
from worker.models.texts import check_line, check_name

_TENANT = re.compile(r"[A-Za-z0-9.-]{1,253}")
_MICROSOFT_ENDPOINT = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
_MICROSOFT_SCOPE = "https://outlook.office365.com/.default"
SECRETS = ("password", "token", "clientSecret", "refreshToken", "privateKey")
"""The fields whose values are never shown."""


class AuthenticationType(StrEnum):
    """How to sign in at the mail server."""

    SIMPLE = "simple"
    NO_AUTH = "noAuth"
    BEARER = "bearer"
    CLIENT_CREDENTIALS = "oauth-client-credentials-flow"
    REFRESH_TOKEN = "oauth-refresh-token-flow"  # noqa: S105 - a name
    JWT_BEARER = "oauth-jwt-bearer-flow"


class ClientAuthentication(StrEnum):
    """Where the client secret goes in a request for a token."""

    CREDENTIALS_BODY = "credentialsBody"
    BASIC_AUTH_HEADER = "basicAuthHeader"


_ENDPOINT_FIELDS = ("tenant_id", "oauth_token_endpoint", "scopes")
# What each type requires, and what else it takes.
_FIELDS: dict[AuthenticationType, tuple[tuple[str, ...], tuple[str, ...]]] = {
    AuthenticationType.SIMPLE: (("username", "password"), ()),
    AuthenticationType.BEARER: (("username", "token"), ()),
    AuthenticationType.CLIENT_CREDENTIALS: (
        ("username", "client_id", "client_secret"),
        (*_ENDPOINT_FIELDS, "audience", "client_authentication"),
    ),
    AuthenticationType.REFRESH_TOKEN: (
        ("username", "client_id", "refresh_token"),
        (*_ENDPOINT_FIELDS, "client_secret", "client_authentication"),
    ),
    AuthenticationType.JWT_BEARER: (
        ("username", "private_key"),
        (*_ENDPOINT_FIELDS, "client_id", "subject", "audience"),
    ),
}


def types_with(field: str) -> tuple[AuthenticationType, ...]:
    """Return the types that take a field, such as `client_id`."""
    return tuple(kind for kind, (required, others) in _FIELDS.items() if field in (*required, *others))


@dataclass(frozen=True, slots=True)
class TokenCredentials:
    """What access tokens of one account are fetched with.

    `endpoint`: "" if only the private key names it.
    """

    type: AuthenticationType
    username: str = field(repr=False)
    endpoint: str
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    scopes: str = ""
    audience: str = ""
    client_authentication: ClientAuthentication = ClientAuthentication.CREDENTIALS_BODY


def _name(title: str, example: str, most: int = SIGN_IN_CHARACTERS) -> Any:
    return Field(default=None, max_length=most, title=title, examples=[example])


def _secret(title: str, example: str) -> Any:
    return _name(title, f"{{{{secrets.{example}}}}}", PASSWORD_CHARACTERS)


class OptionalAuthentication(Request):
    """Any sign-in, or none (SMTP relays)."""

    type: AuthenticationType = Field(default=AuthenticationType.SIMPLE, title="Authentication")
    """How to sign in to the mail server. `noAuth` is for a relay that takes email from your network
    without a password."""
    username: SecretStr | None = Field(
        default=None, max_length=USERNAME_CHARACTERS, title="User name", examples=["orders@example.com"]
    )
    """Often the whole email address. It can also be a secret, such as `{{secrets.MAIL_USER}}`."""
    password: SecretStr | None = _secret("Password", "MAIL_PASSWORD")
    """Use a secret of the worker, not the password itself: everyone who sees the diagram can read it.
    `{{secrets.MAIL_PASSWORD}}` is the worker's environment variable `SECRET_MAIL_PASSWORD`."""
    token: SecretStr | None = _secret("Access token", "MAIL_TOKEN")
    """For `bearer`: an access token that another program has fetched."""
    tenant_id: str | None = _name("Tenant ID", "6babcaad-604b-40ac-a9d7-9fd97c0b779f")
    """Microsoft 365: the directory (tenant) ID of the app registration. It sets the token endpoint."""
    oauth_token_endpoint: str | None = _name(
        "OAuth 2.0 token endpoint", "https://auth.example.com/oauth2/token"
    )
    """URL at which access tokens are fetched. The worker's operator must allow it."""
    client_id: str | None = _name("Client ID", "email-worker")
    """ID of the app that you have registered."""
    client_secret: SecretStr | None = _secret("Client secret", "MAIL_CLIENT_SECRET")
    """Secret of the app that you have registered."""
    refresh_token: SecretStr | None = _secret("Refresh token", "MAIL_REFRESH_TOKEN")
    """Token with which access tokens are fetched."""
    private_key: SecretStr | None = _secret("Private key", "MAIL_PRIVATE_KEY")
    """JSON key of a Google service account, or PEM with a private key and its certificate (Entra ID)."""
    subject: str | None = _name("Subject", "orders@example.com")
    """User for whom the token is requested. If it is empty: with a JSON key, the user name; with PEM, the
    app itself."""
    scopes: str | None = _name("Scopes", "imap smtp")
    """What the token allows; separated by spaces."""
    audience: str | None = _name("Audience", "https://mail.example.com")
    """For whom the token is, if the token endpoint requires it."""
    client_authentication: ClientAuthentication = Field(
        default=ClientAuthentication.CREDENTIALS_BODY, title="Client authentication"
    )
    """Where the request for a token contains the client secret."""

    @field_validator("password", "token", "client_secret", "refresh_token")
    @classmethod
    def _no_line_breaks(cls, value: SecretStr | None) -> SecretStr | None:
        check_line(secret_text(value))
        return value

    @field_validator("username")
    @classmethod
    def _is_a_name(cls, value: SecretStr | None) -> SecretStr | None:
        # A line break begins another command, \x01 another field next to a token (RFC 7628, 3.1).
        check_name(secret_text(value))
        return value

    @field_validator("token")
    @classmethod
    def _is_a_token(cls, value: SecretStr | None) -> SecretStr | None:
        if not secret_text(value).isascii() or " " in secret_text(value):
            raise ValueError("must be an access token alone: ASCII without spaces")
        return value

    @field_validator("tenant_id")
    @classmethod
    def _is_a_tenant(cls, value: str | None) -> str | None:
        if value and not _TENANT.fullmatch(value.strip()):
            raise ValueError("must be a tenant ID or a domain, such as contoso.onmicrosoft.com")
        return value and value.strip()

    @field_validator("oauth_token_endpoint")
    @classmethod
    def _is_an_endpoint(cls, value: str | None) -> str | None:
        if value and not WEB_ADDRESS.fullmatch(value.strip()):
            raise ValueError("must be a URL such as https://auth.example.com/oauth2/token")
        return value and value.strip()

    @model_validator(mode="after")
    def _has_the_fields_of_its_type(self) -> Self:
        faults = list(self._faults())
        if faults:
            raise ValidationError.from_exception_data(type(self).__name__, faults)
        return self

    def _faults(self) -> Iterator[InitErrorDetails]:
        """Yield what is missing, and what belongs to another type."""
        if self.type is AuthenticationType.NO_AUTH:
            return
        required, others = _FIELDS[self.type]
        for name in required:
            if getattr(self, name) is None:
                yield InitErrorDetails(type="missing", loc=(self._alias(name),), input={})
        allowed = {"type", "username", "password", *required, *others}
        for name in sorted(self.model_fields_set - allowed):
            known = ", ".join(map(self._alias, (*required, *others)))
            yield _fault(self._alias(name), f"does not belong to type {self.type}, which has {known}")
        if "oauth_token_endpoint" not in others:
            return
        if self.oauth_token_endpoint and self.tenant_id:
            yield _fault("tenantId", "and oauthTokenEndpoint exclude each other: give one of them")
        elif not (self.oauth_token_endpoint or self.tenant_id or self._has_json_key):
            yield InitErrorDetails(type="missing", loc=("oauthTokenEndpoint",), input={})
        if self.private_key and not self._has_json_key and self.client_id is None:
            yield InitErrorDetails(type="missing", loc=("clientId",), input={})

    @property
    def _has_json_key(self) -> bool:
        """Whether the private key is JSON, which says the rest itself."""
        return secret_text(self.private_key).lstrip().startswith("{")

    def _alias(self, name: str) -> str:
        return type(self).model_fields[name].alias or name

    def token_credentials(self) -> TokenCredentials | None:
        """Return what access tokens are fetched with; None if nothing is to be fetched."""
        if self.type not in types_with("oauth_token_endpoint"):
            return None
        endpoint, scopes = self.oauth_token_endpoint or "", self.scopes or ""
        if self.tenant_id:
            endpoint = _MICROSOFT_ENDPOINT.format(tenant=self.tenant_id)
            scopes = scopes or ("" if self.refresh_token else _MICROSOFT_SCOPE)
        return TokenCredentials(
            type=self.type,
            username=secret_text(self.username),
            endpoint=endpoint,
            client_id=self.client_id or "",
            client_secret=secret_text(self.client_secret),
            refresh_token=secret_text(self.refresh_token),
            private_key=secret_text(self.private_key),
            subject=self.subject or "",
            scopes=" ".join(scopes.split()),
            audience=self.audience or "",
            client_authentication=self.client_authentication,
        )


class Authentication(OptionalAuthentication):
    """A sign-in by user name and password, or by user name and access token."""

    type: Literal[
        AuthenticationType.SIMPLE,
        AuthenticationType.BEARER,
        AuthenticationType.CLIENT_CREDENTIALS,
        AuthenticationType.REFRESH_TOKEN,
        AuthenticationType.JWT_BEARER,
    ] = Field(default=AuthenticationType.SIMPLE, title="Authentication")
    """How to sign in to the mail server: with a password, or an access token (OAuth 2.0)."""


def _fault(name: str, sentence: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("token_field", sentence), loc=(name,), input={})


def secret_text(value: SecretStr | None) -> str:
    """Return a secret, "" if there is none."""
    return value.get_secret_value() if value else ""
