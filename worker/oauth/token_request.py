"""The request for an access token (RFC 6749), by oauthlib; those signed by a key are in signed_request."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from oauthlib.oauth2 import BackendApplicationClient

from worker.errors import InputError
from worker.masking import current_mask
from worker.models.authentication import AuthenticationType, ClientAuthentication, TokenCredentials
from worker.oauth.service_account import read_service_account

_ENDPOINT_FIELD = "authentication.oauthTokenEndpoint"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What is sent to the token endpoint: a form and headers."""

    endpoint: str
    body: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def build_token_request(credentials: TokenCredentials, refresh_token: str) -> TokenRequest:
    """Return the request for an access token; the mask of this work learns what must not be shown of it.

    `refresh_token`: the newest one, for the flow that has one.
    """
    headers, secrets = _client_secret(credentials)
    client = BackendApplicationClient(credentials.client_id)  # it leaves out what is empty
    scope = credentials.scopes
    if credentials.type is AuthenticationType.REFRESH_TOKEN:
        if not headers:
            secrets["client_id"] = credentials.client_id
        body = client.prepare_refresh_body(refresh_token=refresh_token, scope=scope, **secrets)
    else:
        body = client.prepare_request_body(
            scope=scope, include_client_id=not headers, audience=credentials.audience, **secrets
        )
    return TokenRequest(credentials.endpoint, body, headers)


def token_endpoint(credentials: TokenCredentials) -> str:
    """Return the URL at which tokens are fetched, of the JSON key if no other. Raises InputError."""
    if credentials.endpoint:
        return credentials.endpoint
    endpoint = read_service_account(credentials.private_key).token_uri
    if not endpoint:
        raise InputError(f"{_ENDPOINT_FIELD} is required: the JSON key names none.", field=_ENDPOINT_FIELD)
    return endpoint


def _client_secret(credentials: TokenCredentials) -> tuple[dict[str, str], dict[str, str]]:
    """Return the client secret as a header, or as fields of the form (RFC 6749, 2.3.1)."""
    secret = credentials.client_secret
    if not secret:
        return {}, {}
    if credentials.client_authentication is ClientAuthentication.CREDENTIALS_BODY:
        return {}, {"client_secret": secret}
    pair = f"{quote_plus(credentials.client_id)}:{quote_plus(secret)}"
    encoded = base64.b64encode(pair.encode()).decode("ascii")
    current_mask().learn(encoded)
    return {"Authorization": f"Basic {encoded}"}, {}
