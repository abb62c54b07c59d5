"""The request for an access token that a private key signs (RFC 7523), by oauthlib and PyJWT."""

from __future__ import annotations

import uuid
from typing import Any

import jwt
from oauthlib.oauth2 import BackendApplicationClient, ServiceApplicationClient

from worker.masking import current_mask
from worker.models.authentication import TokenCredentials
from worker.oauth.keys import read_pem, read_rsa_key
from worker.oauth.service_account import ServiceAccount, read_service_account
from worker.oauth.token_request import TokenRequest, token_endpoint

_ASSERTION_SECONDS = 300
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class _UserClient(BackendApplicationClient):
    """Asks for a token of a user by an assertion; oauthlib's own client signs it without a key ID."""

    grant_type = ServiceApplicationClient.grant_type


def build_signed_request(credentials: TokenCredentials, now: float) -> TokenRequest:
    """Return the request for an access token; the mask of this work learns what must not be shown of it.

    `now`: seconds since 1970. It signs, which takes milliseconds. Raises InputError for a key that cannot be
    read.
    """
    if credentials.private_key.lstrip().startswith("{"):
        return _for_service_account(credentials, read_service_account(credentials.private_key), now)
    pem = read_pem(credentials.private_key)
    headers = {"x5t#S256": pem.thumbprint} if pem.thumbprint else {}
    subject = credentials.subject or credentials.client_id
    # The app itself names the endpoint as the audience; who signs for a user may have another one.
    audience = (credentials.audience if credentials.subject else "") or credentials.endpoint
    claims = _claims(credentials.client_id, subject, audience, now)
    assertion = _learned(jwt.encode(claims, pem.key, pem.algorithm, headers=headers))
    if credentials.subject:
        body = _UserClient(credentials.client_id).prepare_request_body(
            scope=credentials.scopes, include_client_id=True, assertion=assertion
        )
    else:
        body = BackendApplicationClient(credentials.client_id).prepare_request_body(
            scope=credentials.scopes,
            include_client_id=True,
            client_assertion=assertion,
            client_assertion_type=_ASSERTION_TYPE,
            audience=credentials.audience,
        )
    return TokenRequest(credentials.endpoint, body)


def _for_service_account(credentials: TokenCredentials, account: ServiceAccount, now: float) -> TokenRequest:
    """Sign for a user whom the service account may act for (domain-wide delegation)."""
    endpoint = token_endpoint(credentials)
    current_mask().learn(account.private_key)
    subject = credentials.subject or credentials.username
    claims = _claims(account.client_email, subject, credentials.audience or endpoint, now)
    # Google wants the scope among the claims.
    claims |= {"scope": credentials.scopes} if credentials.scopes else {}
    headers = {"kid": account.private_key_id} if account.private_key_id else {}
    key = read_rsa_key(account.private_key)
    assertion = _learned(jwt.encode(claims, key, "RS256", headers=headers))
    return TokenRequest(endpoint, _UserClient(account.client_email).prepare_request_body(assertion=assertion))


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
