"""The access tokens of all accounts: fetched when first needed, shared, and renewed before they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from worker.documents.http_client import HttpClient, HttpFailures
from worker.documents.urls import UrlPolicy
from worker.errors import (
    AuthenticationFailed,
    TokenEndpointNotAllowed,
    TokenEndpointUnavailable,
    TokenRefused,
)
from worker.mail.account import Account
from worker.mail.connection import TokenMissing
from worker.masking import current_mask
from worker.models.authentication import AuthenticationType, TokenCredentials
from worker.oauth.token_request import TokenRequest, build_token_request, token_endpoint
from worker.oauth.token_response import TokenResponse, read_token_response
from worker.recent import Recent

T = TypeVar("T")

_MAX_RESPONSE_BYTES = 200_000
# A token is renewed before it ends, as a running sign-in still needs it.
_MARGIN_SECONDS = 60.0
_FORM = "application/x-www-form-urlencoded"


def endpoint_not_allowed(place: str) -> TokenEndpointNotAllowed:
    """Return the error for a token endpoint (scheme and host) that the operator does not allow."""
    return TokenEndpointNotAllowed(
        f"The token endpoint ({place}) is not allowed by EMAIL_WORKER_ALLOWED_TOKEN_ENDPOINTS;"
        " ask the operator of the worker to add it.",
        endpoint=place,
    )


def _response_too_large(server: str, max_bytes: int) -> TokenRefused:
    return TokenRefused(
        f"{server} gave more than {max_bytes:,} bytes, and no access token; check oauthTokenEndpoint.",
        server=server,
    )


TOKEN_FAILURES = HttpFailures(TokenEndpointUnavailable, TokenRefused, _response_too_large)
"""The errors of an HTTP client that talks to token endpoints."""


@dataclass(slots=True)
class _Kept:
    """What is known of one account. `refresh_token`: the newest, if the endpoint gives others."""

    token: str = field(default="", repr=False)
    renew_at: float = 0.0
    refresh_token: str = field(default="", repr=False)


class AccessTokens:
    """Fetches tokens, at most one at a time for each account."""

    def __init__(
        self,
        http: HttpClient,
        endpoints: UrlPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._endpoints = endpoints
        self._clock = clock
        self._now = now
        self._kept: Recent[TokenCredentials, _Kept] = Recent()
        self._fetches: dict[TokenCredentials, asyncio.Task[str]] = {}

    async def sign_in(
        self,
        account: Account,
        work: Callable[[Account], Awaitable[T]],
        waiting: Callable[[str], AbstractAsyncContextManager[object]] = nullcontext,
    ) -> T:
        """Do work at a mail server; if it needs a token, fetch one and begin again.

        A token that the mail server refuses is fetched again, once. `waiting`: the context for the token
        endpoint (`host:port`) in which a token is fetched. Raises what both raise, and what `token` does.
        """
        credentials = account.token_credentials
        if credentials is None:
            return await work(account)
        token, was_refused = self._valid_token(credentials), False
        while True:
            try:
                return await work(replace(account, token=token))
            except TokenMissing:
                endpoint = self._endpoints.admit(token_endpoint(credentials))
                async with waiting(f"{endpoint.host}:{endpoint.port}"):
                    # Another job may have fetched one while this one waited for its turn.
                    token = await self.token(credentials)
            except AuthenticationFailed:
                if was_refused:
                    raise
                was_refused = True
                self.forget(credentials, token)
                token = self._valid_token(credentials)

    async def token(self, credentials: TokenCredentials) -> str:
        """Return a valid token; all who ask while it is fetched get the same one.

        Raises TokenRefused, TokenEndpointUnavailable, and InputError for a key that cannot be read.
        """
        if (known := self._valid_token(credentials)) is not None:
            return known
        fetch = self._fetches.get(credentials)
        if fetch is None:
            fetch = self._fetches[credentials] = asyncio.create_task(self._fetch(credentials))
            fetch.add_done_callback(lambda done: self._fetched(credentials, done))
        # One who gives up does not take the token from the others.
        token = await asyncio.shield(fetch)
        current_mask().learn(token)
        return token

    async def close(self) -> None:
        """Cancel running requests and close all connections."""
        for fetch in self._fetches.values():
            fetch.cancel()
        await asyncio.gather(*self._fetches.values(), return_exceptions=True)
        await self._http.close()

    def _valid_token(self, credentials: TokenCredentials) -> str | None:
        kept = self._kept.get(credentials)
        if kept is None:
            return None
        self._kept.move_to_end(credentials)
        # Also one that has run out: a session may have begun with it.
        current_mask().learn(kept.token)
        return kept.token if self._clock() < kept.renew_at else None

    def forget(self, credentials: TokenCredentials, token: str | None) -> None:
        """Do not use `token` again; a newer one may have come meanwhile."""
        kept = self._kept.get(credentials)
        if kept is not None and kept.token == token:
            kept.renew_at = 0.0

    def _fetched(self, credentials: TokenCredentials, fetch: asyncio.Task[str]) -> None:
        del self._fetches[credentials]
        if not fetch.cancelled():
            fetch.exception()  # seen, also if nobody waits for it any more

    async def _fetch(self, credentials: TokenCredentials) -> str:
        kept = self._kept.get(credentials) or _Kept()
        refresh_token = kept.refresh_token or credentials.refresh_token
        current_mask().learn(refresh_token)
        if credentials.type is AuthenticationType.JWT_BEARER:
            # Loading what signs, reading a key and signing take time.
            request = await asyncio.to_thread(_build_signed_request, credentials, self._now())
        else:
            request = build_token_request(credentials, refresh_token)
        try:
            response = await self._ask(request, credentials.type)
        except TokenRefused:
            kept.refresh_token = ""  # the next attempt begins with the one that the task gives
            raise
        life_seconds = response.life_seconds
        kept.token = response.access_token
        kept.renew_at = self._clock() + max(life_seconds - _MARGIN_SECONDS, life_seconds / 2)
        if credentials.type is AuthenticationType.REFRESH_TOKEN:
            kept.refresh_token = response.refresh_token or refresh_token
        self._kept[credentials] = kept
        return kept.token

    async def _ask(self, request: TokenRequest, flow: AuthenticationType) -> TokenResponse:
        url = self._endpoints.admit(request.endpoint)
        response = await self._http.request(
            "POST",
            str(url),
            max_bytes=_MAX_RESPONSE_BYTES,
            headers={**request.headers, "Content-Type": _FORM, "Accept": "application/json"},
            data=request.body,
        )
        read = read_token_response(response, url.authority, flow, datetime.fromtimestamp(self._now(), UTC))
        current_mask().learn(read.refresh_token)
        return read


def _build_signed_request(credentials: TokenCredentials, now: float) -> TokenRequest:
    # Only here: these libraries take 10 MB of memory, and most workers need no key.
    from worker.oauth.signed_request import build_signed_request  # noqa: PLC0415

    return build_signed_request(credentials, now)
