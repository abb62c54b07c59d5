"""Settings of the connection to the cluster, and of the sign-in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from worker.models.base import HOST_AND_PORT, WEB_ADDRESS
from worker.settings.group import Names, PathSetting, SettingsGroup

_GATEWAY_ADDRESS = re.compile(rf"((https?|grpcs?)://)?{HOST_AND_PORT}/?", re.IGNORECASE)
_PORTS = range(1, 65_536)
_SCHEME = re.compile(r"^[A-Za-z]+://")
_THIS_MACHINE = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?(/.*)?")


def _matching(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    """Return what checks an address and puts its scheme in small letters."""

    def check(address: str) -> str:
        found = pattern.fullmatch(address)
        if found is None:
            raise ValueError(f"must be {expected}, without a user name")
        if found["port"] and int(found["port"]) not in _PORTS:
            raise ValueError("must have a port from 1 to 65535")
        return _SCHEME.sub(lambda scheme: scheme[0].lower(), address)

    return AfterValidator(check)


_Gateway = Annotated[str, _matching(_GATEWAY_ADDRESS, "host:port or a URL such as https://zeebe.example.com")]
_Url = Annotated[str, _matching(WEB_ADDRESS, "a URL such as http://localhost:8080")]


class SignInStrategy(StrEnum):
    """How the worker signs in to the cluster: not at all, by a user's password, or by OAuth 2."""

    NONE = "NONE"
    BASIC = "BASIC"
    OAUTH = "OAUTH"


class GatewaySettings(SettingsGroup):
    """Camunda's usual client variables; camunda_names.py has all names of each."""

    address: _Gateway | None = Field(None, alias="ZEEBE_ADDRESS")
    """Gateway as `host:port`; default `localhost:26500`."""
    insecure_connection: bool | None = Field(None, alias="ZEEBE_INSECURE_CONNECTION")
    """`true`: no TLS. Default: TLS only with `https://`, a CA file, a client certificate, a client id or
    port 443."""
    ca_certificate_path: PathSetting | None = Field(None, alias="ZEEBE_CA_CERTIFICATE_PATH")
    """PEM file of the certificate authority of the gateway, the REST API and the token endpoint; turns
    TLS on."""
    client_certificate_path: PathSetting | None = Field(None, alias="CAMUNDA_MTLS_CERT_PATH")
    """PEM file of the worker's own certificate, with its chain (mutual TLS); turns TLS on."""
    client_key_path: PathSetting | None = Field(None, alias="CAMUNDA_MTLS_KEY_PATH")
    """PEM file of its key, without a passphrase."""
    auth_strategy: SignInStrategy | None = Field(None, alias="CAMUNDA_AUTH_STRATEGY")
    """`NONE`, `BASIC` or `OAUTH`; default: chosen by the given credentials."""
    basic_username: str | None = Field(None, alias="CAMUNDA_BASIC_AUTH_USERNAME")
    """Basic authentication: user name."""
    basic_password: SecretStr | None = Field(None, alias="CAMUNDA_BASIC_AUTH_PASSWORD")
    """Basic authentication: password."""
    client_id: str | None = Field(None, alias="ZEEBE_CLIENT_ID")
    """OAuth client id; turns OAuth and TLS on."""
    client_secret: SecretStr | None = Field(None, alias="ZEEBE_CLIENT_SECRET")
    """OAuth client secret."""
    authorization_server_url: _Url = Field(
        "https://login.cloud.camunda.io/oauth/token", alias="ZEEBE_AUTHORIZATION_SERVER_URL"
    )
    """Token endpoint; the default is Camunda SaaS's."""
    token_audience: str = Field("zeebe.camunda.io", alias="ZEEBE_TOKEN_AUDIENCE")
    """Audience of the token."""
    token_scope: str | None = Field(None, alias="ZEEBE_TOKEN_SCOPE")
    """Scope of the token; Entra ID needs it."""
    cluster_id: str | None = Field(None, alias="CAMUNDA_CLUSTER_ID")
    """Camunda SaaS: id of the cluster."""
    cluster_region: str = Field("bru-2", alias="CAMUNDA_CLUSTER_REGION")
    """Camunda SaaS: region of the cluster."""
    rest_address: _Url | None = Field(None, alias="ZEEBE_REST_ADDRESS")
    """The cluster's REST API, such as `http://localhost:8080`; for attachments and `start --wait`."""
    tenant_ids: Names = Field((), alias="CAMUNDA_TENANT_IDS")
    """Tenants to take jobs from, comma-separated."""

    @field_validator("tenant_ids")
    @classmethod
    def _names_a_tenant(cls, tenant_ids: tuple[str, ...]) -> tuple[str, ...]:
        # None of them would mean the default tenant.
        if not tenant_ids:
            raise ValueError("must name at least one tenant")
        return tenant_ids

    @field_validator("auth_strategy", mode="before")
    @classmethod
    def _whatever_the_case(cls, word: Any) -> Any:
        # Spring's starter and Camunda's connectors call it so.
        return word.strip().upper().replace("OIDC", "OAUTH") if isinstance(word, str) else word

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in (*_incomplete(self), *_in_clear_text(self)):
            raise ValueError(problem)
        return self

    @property
    def strategy(self) -> SignInStrategy:
        """How to sign in: as the operator says, or as the given credentials say."""
        if self.auth_strategy is not None:
            return self.auth_strategy
        if self.client_id is not None:
            return SignInStrategy.OAUTH
        return SignInStrategy.NONE if self.basic_username is None else SignInStrategy.BASIC

    @property
    def target(self) -> str:
        """The gateway as `host:port`."""
        if self.address is not None:
            address = self.address.rpartition("://")[2].removesuffix("/")
            has_port = address.rpartition(":")[2].isdecimal()
            return address if has_port else f"{address}:{443 if self.asks_for_tls else 26500}"
        if self.cluster_id is not None:
            return f"{self.cluster_id}.{self.cluster_region}.zeebe.camunda.io:443"
        return "localhost:26500"

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection to the gateway is TLS."""
        if self.insecure_connection is not None:
            return not self.insecure_connection
        files = (self.ca_certificate_path, self.client_certificate_path)
        if self.asks_for_tls or any(files) or self.target.endswith(":443"):
            return True
        return self.strategy is SignInStrategy.OAUTH and not self._asks_for_clear_text_here

    @property
    def asks_for_tls(self) -> bool:
        """Whether the address says that the connection is TLS."""
        return (self.address or "").startswith(("https://", "grpcs://"))

    @property
    def _asks_for_clear_text_here(self) -> bool:
        return (self.address or "").startswith(("http://", "grpc://")) and is_this_machine(self.target)


def is_this_machine(address: str) -> bool:
    """Tell whether a URL or `host:port` names the machine that the worker runs on."""
    return _THIS_MACHINE.fullmatch(_SCHEME.sub("", address)) is not None


def _incomplete(given: GatewaySettings) -> Iterator[str]:
    """Yield the settings that need another one."""
    if (given.client_certificate_path is None) != (given.client_key_path is None):
        yield "CAMUNDA_MTLS_CERT_PATH and CAMUNDA_MTLS_KEY_PATH go together: set both or neither"
    chosen = given.auth_strategy
    if chosen is None and given.client_id is not None and given.basic_username is not None:
        yield (
            "ZEEBE_CLIENT_ID and CAMUNDA_BASIC_AUTH_USERNAME are two ways to sign in;"
            " set CAMUNDA_AUTH_STRATEGY to OAUTH or BASIC"
        )
    client, user = (given.client_id, given.client_secret), (given.basic_username, given.basic_password)
    for strategy, pair, names in (
        (SignInStrategy.OAUTH, client, ("ZEEBE_CLIENT_ID", "ZEEBE_CLIENT_SECRET")),
        (SignInStrategy.BASIC, user, ("CAMUNDA_BASIC_AUTH_USERNAME", "CAMUNDA_BASIC_AUTH_PASSWORD")),
    ):
        missing = [name for name, value in zip(names, pair, strict=True) if value is None]
        if chosen is strategy and missing:
            yield f"CAMUNDA_AUTH_STRATEGY={strategy} also needs {' and '.join(missing)}"
        if chosen is None and len(missing) == 1:
            yield f"{names[0]} and {names[1]} go together: set both or neither"
    if given.basic_username is not None and ":" in given.basic_username:
        yield "CAMUNDA_BASIC_AUTH_USERNAME must not contain a colon (RFC 7617)"
    if given.cluster_id is not None and given.strategy is not SignInStrategy.OAUTH:
        yield "CAMUNDA_CLUSTER_ID (Camunda SaaS) also needs ZEEBE_CLIENT_ID and its secret"


def _in_clear_text(given: GatewaySettings) -> Iterator[str]:
    """Yield where credentials would be sent unencrypted; connections to this machine are allowed."""
    if given.insecure_connection and given.asks_for_tls:
        yield "ZEEBE_INSECURE_CONNECTION (no TLS) and https:// in ZEEBE_ADDRESS do not go together"
    if given.client_certificate_path is not None and not given.is_encrypted:
        yield "ZEEBE_INSECURE_CONNECTION and CAMUNDA_MTLS_CERT_PATH do not go together"
    if given.strategy is SignInStrategy.OAUTH:
        yield from _token_in_clear_text(given)
    elif given.strategy is SignInStrategy.BASIC and not given.insecure_connection:
        for name, address, is_safe in (
            ("ZEEBE_ADDRESS", given.target, given.is_encrypted),
            ("ZEEBE_REST_ADDRESS", given.rest_address, (given.rest_address or "").startswith("https:")),
        ):
            if address is not None and not is_safe and not is_this_machine(address):
                yield (
                    f"{name} must begin with https:// if CAMUNDA_BASIC_AUTH_PASSWORD is used, or set"
                    " ZEEBE_INSECURE_CONNECTION=true to send the password unencrypted in a trusted network"
                )


def _token_in_clear_text(given: GatewaySettings) -> Iterator[str]:
    if given.insecure_connection:
        yield "ZEEBE_INSECURE_CONNECTION and OAuth (ZEEBE_CLIENT_ID) do not go together"
    is_clear = (given.address or "").startswith(("http://", "grpc://"))
    for name, address in (
        ("ZEEBE_ADDRESS", given.address if is_clear else None),
        ("ZEEBE_AUTHORIZATION_SERVER_URL", given.authorization_server_url),
        ("ZEEBE_REST_ADDRESS", given.rest_address),
    ):
        if address is not None and not address.startswith("https:") and not is_this_machine(address):
            yield f"{name} must begin with https:// if OAuth (ZEEBE_CLIENT_ID) is used"
