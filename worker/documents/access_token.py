"""The access token of the cluster's REST API (OAuth 2 client credentials, RFC 6749, 4.4)."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field

from worker.documents.http_client import HttpClient
from worker.errors import DocumentRefused, DocumentsUnavailable

_MAX_ANSWER_BYTES = 100_000
_USUAL_LIFE_SECONDS = 300.0
# A token is renewed before it ends, as a request under way still needs it.
_MARGIN_SECONDS = 30.0
_OK = 200
_BUSY = 429
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Who the worker is at the authorization server."""

    client_id: str
    client_secret: str = field(repr=False)
    authorization_server_url: str
    audience: str


class AccessToken:
    """A token that is fetched when it is first needed, shared, and renewed in time."""

    def __init__(self, http: HttpClient, credentials: ClientCredentials) -> None:
        self._http = http
        self._credentials = credentials
        self._lock = asyncio.Lock()
        self._token = ""
        self._ends_at = 0.0

    async def get(self) -> str:
        """Return a token that is good for a while; raises DocumentRefused and DocumentsUnavailable."""
        async with self._lock:
            if time.monotonic() >= self._ends_at:
                await self._renew()
            return self._token

    def forget(self, token: str) -> None:
        """Do not give out `token` again: it was refused."""
        if token == self._token:
            self._ends_at = 0.0

    async def _renew(self) -> None:
        who = self._credentials
        answer = await self._http.request(
            "POST",
            who.authorization_server_url,
            max_bytes=_MAX_ANSWER_BYTES,
            data={
                "grant_type": "client_credentials",
                "client_id": who.client_id,
                "client_secret": who.client_secret,
                "audience": who.audience,
            },
        )
        # The answer's text is not shown: it may repeat what was sent.
        if answer.status >= _SERVER_ERROR or answer.status == _BUSY:
            raise DocumentsUnavailable(f"The authorization server answered with status {answer.status}.")
        if answer.status != _OK:
            raise DocumentRefused(
                f"The authorization server refused the sign-in with status {answer.status};"
                " check ZEEBE_CLIENT_ID, ZEEBE_CLIENT_SECRET and ZEEBE_AUTHORIZATION_SERVER_URL."
            )
        try:
            told = json.loads(answer.content)
            self._token = str(told["access_token"])
            life_seconds = float(told.get("expires_in", _USUAL_LIFE_SECONDS))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DocumentRefused("The authorization server gave no access token.") from error
        self._ends_at = time.monotonic() + max(life_seconds - _MARGIN_SECONDS, life_seconds / 2)
