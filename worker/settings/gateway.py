"""Which cluster, and how to sign in there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from worker.settings.group import Names, SettingsGroup

_ENCRYPTED_OR_LOCAL = re.compile(r"https:|http://(localhost|127(\.\d+){3}|\[::1\])([:/]|$)")


class GatewaySettings(SettingsGroup):
    """Camunda's usual client variables: which cluster, and how to sign in there."""

    address: str | None = Field(
        None, alias="ZEEBE_ADDRESS", description="Gateway as `host:port`; default `localhost:26500`."
    )
    insecure_connection: bool | None = Field(
        None,
        alias="ZEEBE_INSECURE_CONNECTION",
        description="`true`: no TLS. Default: TLS only with `https://`, a CA file, a client id or port 443.",
    )
    ca_certificate_path: Path | None = Field(
        None,
        alias="ZEEBE_CA_CERTIFICATE_PATH",
        description="PEM file of the authority that signed the gateway's certificate; turns TLS on.",
    )
    client_id: str | None = Field(
        None, alias="ZEEBE_CLIENT_ID", description="OAuth client id; turns OAuth on."
    )
    client_secret: SecretStr | None = Field(
        None, alias="ZEEBE_CLIENT_SECRET", description="OAuth client secret."
    )
    authorization_server_url: str = Field(
        "https://login.cloud.camunda.io/oauth/token",
        alias="ZEEBE_AUTHORIZATION_SERVER_URL",
        description="Token endpoint; the default is Camunda SaaS's.",
    )
    token_audience: str = Field(
        "zeebe.camunda.io", alias="ZEEBE_TOKEN_AUDIENCE", description="Audience of the token."
    )
    cluster_id: str | None = Field(
        None, alias="CAMUNDA_CLUSTER_ID", description="Camunda SaaS: id of the cluster."
    )
    cluster_region: str = Field(
        "bru-2", alias="CAMUNDA_CLUSTER_REGION", description="Camunda SaaS: region of the cluster."
    )
    rest_address: str | None = Field(
        None,
        alias="ZEEBE_REST_ADDRESS",
        description="The cluster's REST API, such as `http://localhost:8080`; needed for attachments only.",
    )
    tenant_ids: Names = Field(
        (), alias="CAMUNDA_TENANT_IDS", description="Tenants to take jobs from, comma-separated."
    )

    @field_validator("rest_address")
    @classmethod
    def _is_a_web_address(cls, address: str | None) -> str | None:
        if address is not None and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", address):
            raise ValueError("must be a URL such as http://localhost:8080")
        return address

    @model_validator(mode="after")
    def _oauth_is_whole(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("ZEEBE_CLIENT_ID and ZEEBE_CLIENT_SECRET go together: set both or neither")
        if self.cluster_id is not None and self.client_id is None:
            raise ValueError("CAMUNDA_CLUSTER_ID (Camunda SaaS) also needs ZEEBE_CLIENT_ID and its secret")
        if self.client_id is not None and not self.is_encrypted:
            raise ValueError("ZEEBE_INSECURE_CONNECTION and OAuth (ZEEBE_CLIENT_ID) do not go together")
        if self.client_id is not None and not _is_safe_for_a_token(self.rest_address):
            raise ValueError(
                "ZEEBE_REST_ADDRESS must begin with https:// where OAuth (ZEEBE_CLIENT_ID) is used"
            )
        return self

    @property
    def target(self) -> str:
        """The gateway as `host:port`."""
        if self.address is not None:
            address = self.address.rpartition("://")[2].removesuffix("/")
            has_port = address.rpartition(":")[2].isdecimal()
            return address if has_port else f"{address}:{443 if self._asks_for_tls else 26500}"
        if self.cluster_id is not None:
            return f"{self.cluster_id}.{self.cluster_region}.zeebe.camunda.io:443"
        return "localhost:26500"

    @property
    def is_encrypted(self) -> bool:
        """Whether the way to the gateway is TLS."""
        if self.insecure_connection is not None:
            return not self.insecure_connection
        has_credentials = self.ca_certificate_path is not None or self.client_id is not None
        return self._asks_for_tls or has_credentials or self.target.endswith(":443")

    @property
    def _asks_for_tls(self) -> bool:
        return (self.address or "").startswith(("https://", "grpcs://"))


def _is_safe_for_a_token(address: str | None) -> bool:
    """Tell whether nobody on the way can read what is sent there; this machine itself is no way."""
    return address is None or _ENCRYPTED_OR_LOCAL.match(address) is not None
