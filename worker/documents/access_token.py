"""The access token of the cluster (OAuth 2 client credentials, RFC 6749, 4.4)."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field

from worker.documents.http_client import HttpClient, HttpResponse
from worker.errors import DocumentRefused, DocumentsUnavailable
from worker.masking import Mask

_MAX_ANSWER_BYTES = 100_000
_USUAL_LIFE_SECONDS = 300.0
_LONGEST_LIFE_SECONDS = 86_400.0
# A token is renewed before it ends, because a running request still needs it.
_MARGIN_SECONDS = 30.0
_OK = 200
_BUSY = 429
_SERVER_ERROR = 500
# RFC 6749, 5.2, and additions of servers. Any other word may be a repeated part of the request.
_CODES = {
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "unauthorized_client",
    "unsupported_grant_type",
}


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The credentials of the worker at the authorization server."""

    client_id: str
    client_secret: str = field(repr=False)
    authorization_server_url: str
    audience: str
    scope: str | None = None


class AccessToken:
    """A token that is fetched on first use, shared by gRPC and REST, and renewed before it expires.

    `mask` learns the secret and each token.
    """

    def __init__(self, http: HttpClient, credentials: ClientCredentials, mask: Mask) -> None:
        self.mask = mask
        self._http = http
        self._credentials = credentials
        self._lock = asyncio.Lock()
        self._token = ""
        self._ends_at = 0.0

    async def authorization(self) -> str:
        """Return the header with a valid token; raises DocumentRefused and DocumentsUnavailable."""
        async with self._lock:
            if time.monotonic() >= self._ends_at:
                await self._renew()
            return f"Bearer {self._token}"

    def forget(self, authorization: str) -> None:
        """Do not use `authorization` again: it was refused."""
        if authorization == f"Bearer {self._token}":
            self._ends_at = 0.0

    async def close(self) -> None:
        """Close the connection to the authorization server; a later request opens it again."""
        await self._http.close()

    async def _renew(self) -> None:
        who = self._credentials
        # At each renewal, as a mask forgets what was not used for long.
        self.mask.learn(who.client_secret)
        form = {
            "grant_type": "client_credentials",
            "client_id": who.client_id,
            "client_secret": who.client_secret,
            "audience": who.audience,
        }
        if who.scope is not None:
            form["scope"] = who.scope
        answer = await self._http.request(
            "POST", who.authorization_server_url, max_bytes=_MAX_ANSWER_BYTES, data=form
        )
        told = _read(answer)
        if answer.status >= _SERVER_ERROR or answer.status == _BUSY:
            raise DocumentsUnavailable(f"The authorization server answered with status {answer.status}.")
        if answer.status != _OK:
            # The text of the reply is not shown: it may repeat the request.
            code = f" ({told['error']})" if str(told.get("error")) in _CODES else ""
            raise DocumentRefused(
                f"The authorization server refused the sign-in with status {answer.status}{code}; check"
                " ZEEBE_CLIENT_ID, ZEEBE_CLIENT_SECRET, ZEEBE_AUTHORIZATION_SERVER_URL,"
                " ZEEBE_TOKEN_AUDIENCE and ZEEBE_TOKEN_SCOPE."
            )
        token, life_seconds = told.get("access_token"), _life_seconds(told)
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise DocumentRefused("The authorization server gave no access token.")
        self.mask.learn(token)
        self._token = token
        self._ends_at = time.monotonic() + max(life_seconds - _MARGIN_SECONDS, life_seconds / 2)


def _read(answer: HttpResponse) -> dict[str, object]:
    try:
        told = json.loads(answer.content)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _life_seconds(told: dict[str, object]) -> float:
    try:
        life_seconds = float(str(told.get("expires_in")))
    except ValueError:
        return _USUAL_LIFE_SECONDS
    # NaN, which Python reads in JSON, is not at least 0 either.
    return min(life_seconds, _LONGEST_LIFE_SECONDS) if life_seconds >= 0 else _USUAL_LIFE_SECONDS
