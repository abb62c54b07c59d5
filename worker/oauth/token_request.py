"""The request for an access token (RFC 6749, 7523), by oauthlib and PyJWT."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import jwt
from oauthlib.oauth2 import BackendApplicationClient, ServiceApplicationClient

from worker.errors import InputError
from worker.masking import current_mask
from worker.models.authentication import AuthenticationType, ClientAuthentication, TokenCredentials
from worker.oauth.keys import ServiceAccount, read_pem, read_rsa_key, read_service_account

_ENDPOINT_FIELD = "authentication.oauthTokenEndpoint"
_ASSERTION_SECONDS = 300
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class _UserClient(BackendApplicationClient):
    """Asks for a token of a user by an assertion; oauthlib's own client signs it without a key ID."""

    grant_type = ServiceApplicationClient.grant_type


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What is sent to the token endpoint: a form and headers."""

    endpoint: str
    body: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def build_token_request(credentials: TokenCredentials, refresh_token: str, now: float) -> TokenRequest:
    """Return the request for an access token; the mask of this work learns what must not be shown of it.

    `refresh_token`: the newest one, for the flow that has one. `now`: seconds since 1970. It signs, which
    takes milliseconds. Raises InputError for a key that cannot be read.
    """
    if credentials.type is AuthenticationType.JWT_BEARER:
        return _with_key(credentials, now)
    headers, secrets = _client_secret(credentials)
    client = BackendApplicationClient(credentials.client_id)
    scopes = credentials.scopes or None
    if credentials.type is AuthenticationType.REFRESH_TOKEN:
        if not headers:
            secrets["client_id"] = credentials.client_id
        body = client.prepare_refresh_body(refresh_token=refresh_token, scope=scopes, **secrets)
    else:
        body = client.prepare_request_body(
            scope=scopes, include_client_id=not headers, **secrets, **_audience(credentials)
        )
    return TokenRequest(credentials.endpoint, body, headers)


def token_endpoint(credentials: TokenCredentials) -> str:
    """Return the URL at which tokens are fetched, of the JSON key if no other. Raises InputError."""
    if credentials.endpoint:
        return credentials.endpoint
    endpoint = read_service_account(credentials.private_key).token_endpoint
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


def _audience(credentials: TokenCredentials) -> dict[str, str]:
    return {"audience": credentials.audience} if credentials.audience else {}


def _with_key(credentials: TokenCredentials, now: float) -> TokenRequest:
    if credentials.private_key.lstrip().startswith("{"):
        return _for_service_account(credentials, read_service_account(credentials.private_key), now)
    pem = read_pem(credentials.private_key)
    headers = {"x5t#S256": pem.thumbprint} if pem.thumbprint else {}
    subject = credentials.subject or credentials.client_id
    # The app itself names the endpoint as the audience; who signs for a user may have another one.
    audience = (credentials.audience if credentials.subject else "") or credentials.endpoint
    claims = _claims(credentials.client_id, subject, audience, now)
    assertion = _learned(jwt.encode(claims, pem.key, pem.algorithm, headers=headers))
    scopes = credentials.scopes or None
    if credentials.subject:
        body = _UserClient(credentials.client_id).prepare_request_body(
            scope=scopes, include_client_id=True, assertion=assertion
        )
    else:
        body = BackendApplicationClient(credentials.client_id).prepare_request_body(
            scope=scopes,
            include_client_id=True,
            client_assertion=assertion,
            client_assertion_type=_ASSERTION_TYPE,
            **_audience(credentials),
        )
    return TokenRequest(credentials.endpoint, body)


def _for_service_account(credentials: TokenCredentials, account: ServiceAccount, now: float) -> TokenRequest:
    """Sign for a user whom the service account may act for (domain-wide delegation)."""
    endpoint = token_endpoint(credentials)
    current_mask().learn(account.private_key)
    subject = credentials.subject or credentials.username
    claims = _claims(account.email, subject, credentials.audience or endpoint, now)
    # Google wants the scope among the claims.
    claims |= {"scope": credentials.scopes} if credentials.scopes else {}
    headers = {"kid": account.key_id} if account.key_id else {}
    key = read_rsa_key(account.private_key)
    assertion = _learned(jwt.encode(claims, key, "RS256", headers=headers))
    return TokenRequest(endpoint, _UserClient(account.email).prepare_request_body(assertion=assertion))


def _claims(issuer: str, subject: str, audience: str, now: float) -> dict[str, Any]:
    return {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now) + _ASSERTION_SECONDS,
        "jti": uuid.uuid4().hex,
    }


def _learned(assertion: str) -> str:
    current_mask().learn(assertion)
    return assertion
