"""A token endpoint (RFC 6749) with an introspection endpoint (RFC 7662), and the faults of such."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)

if TYPE_CHECKING:
    import ssl

CLIENT_ID, CLIENT_SECRET = "email-worker", "cl13nt s3cret/+"
AUDIENCE = "mail.example.org"
SCOPE = "mail.send mail.read"


@cache
def signing_key() -> RSAPrivateKey:
    """The key of all token servers of a test run: to make one takes long."""
    return generate_private_key(65537, 2048)


Fault = Callable[[dict[str, str]], Awaitable[web.StreamResponse | None]]


def status(
    code: int, body: str = "", content_type: str = "application/json", retry_after: str | None = None
) -> Fault:
    """Answer with this status and text, in which `{client_secret}` repeats what was sent."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}

    async def answer(form: dict[str, str]) -> web.StreamResponse:
        text = body.replace("{client_secret}", form.get("client_secret", ""))
        return web.Response(status=code, text=text, content_type=content_type, headers=headers)

    return answer


def hold(release: asyncio.Event) -> Fault:
    """Answer as usual, but not before the event."""

    async def wait(_: dict[str, str]) -> None:
        await release.wait()

    return wait


@dataclass
class TokenServer:
    """Gives JWTs for `subject`, whose user name is in the claim `email`, signed by a key of its own.

    `faults`: what happens to the next requests, one for each. `claims`: changes to the next tokens' claims.
    `forms`, `authorizations`: what came;
    `asked`: something has. `rotates`: each refresh token is good once. `refused_tokens`: those
    that introspection says are revoked. `clock_seconds`: how far its clock is ahead.
    """

    subject: str = "ann@example.org"
    tls_context: ssl.SSLContext | None = None
    faults: deque[Fault] = field(default_factory=deque)
    claims: dict[str, Any] = field(default_factory=dict)
    forms: list[dict[str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    refused_tokens: set[str] = field(default_factory=set)
    life_seconds: float = 3600
    rotates: bool = False
    refresh_tokens: set[str] = field(default_factory=lambda: {"refresh-0"})
    assertion_key: str = ""
    clock_seconds: float = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    most_at_once: int = 0
    _at_once: int = 0

    async def __aenter__(self) -> Self:
        self._key = signing_key()
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_route("*", "/introspect", self._introspect)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls_context)
        await site.start()
        _, self.port, *_ = self._runner.addresses[0]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The token endpoint."""
        scheme = "https" if self.tls_context else "http"
        return f"{scheme}://localhost:{self.port}/token"

    @property
    def introspection_url(self) -> str:
        """Where a mail server asks about a token, which it puts behind this."""
        return f"http://localhost:{self.port}/introspect?token="

    @property
    def public_key(self) -> str:
        """The key that signed the tokens, as PEM."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def authentication(self, **changes: Any) -> dict[str, Any]:
        """The variable `authentication` of a task that fetches its token here by client credentials."""
        return {
            "type": "oauth-client-credentials-flow",
            "username": self.subject,
            "oauthTokenEndpoint": self.url,
            "clientId": CLIENT_ID,
            "clientSecret": CLIENT_SECRET,
            "scopes": SCOPE,
            **changes,
        }

    def make_token(self, **claims: Any) -> str:
        """Sign a token; `claims` replace the usual ones."""
        now = int(time.time() + self.clock_seconds)
        usual = {
            "iss": self.url,
            "sub": self.subject,
            "email": self.subject,
            "aud": AUDIENCE,
            "scope": SCOPE,
            "azp": CLIENT_ID,
            "iat": now,
            "exp": now + 3600,
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode({**usual, **claims}, self._key, "RS256", headers={"kid": "default"})

    async def _token(self, request: web.Request) -> web.StreamResponse:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            form = {name: str(value) for name, value in (await request.post()).items()}
            self.forms.append(form)
            self.asked.set()
            self.authorizations.append(request.headers.get("Authorization", ""))
            if self.faults and (answer := await self.faults.popleft()(form)) is not None:
                return answer
            return self._answer(form, request.headers.get("Authorization", ""))
        finally:
            self._at_once -= 1

    def _answer(self, form: dict[str, str], authorization: str) -> web.StreamResponse:
        if form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            refusal = self._refused_assertion(form["assertion"])
        elif "client_assertion" in form:
            refusal = self._refused_assertion(form["client_assertion"])
        elif form.get("client_secret") != CLIENT_SECRET and not authorization:
            refusal = {"error": "invalid_client", "error_description": f"no {form.get('client_secret')}"}
        elif form["grant_type"] == "refresh_token" and form["refresh_token"] not in self.refresh_tokens:
            refusal = {"error": "invalid_grant", "error_description": "Token is not active"}
        else:
            refusal = None
        if refusal is not None:
            return web.json_response(refusal, status=400, headers=self._date())
        token = self.make_token(**self.claims)
        self.tokens.append(token)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.life_seconds}
        if self.rotates:
            self.refresh_tokens = {f"refresh-{len(self.tokens)}"}
            answer["refresh_token"] = f"refresh-{len(self.tokens)}"
        return web.json_response(answer)

    def _date(self) -> dict[str, str]:
        now = time.gmtime(time.time() + self.clock_seconds)
        return {"Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", now)}

    def _refused_assertion(self, assertion: str) -> dict[str, str] | None:
        try:
            claims = jwt.decode(
                assertion,
                self.assertion_key,
                algorithms=["RS256", "PS256", "ES256"],
                audience=self.url,
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.InvalidTokenError as error:
            return {"error": "invalid_client", "error_description": str(error)}
        now = time.time() + self.clock_seconds
        if not claims["iat"] - 60 <= now <= claims["exp"] + 60:
            return {"error": "invalid_grant", "error_description": "Check your iat and exp values"}
        return None

    async def _introspect(self, request: web.Request) -> web.StreamResponse:
        token = request.query.get("token", "")
        try:
            claims = jwt.decode(token, self.public_key, algorithms=["RS256"], audience=AUDIENCE)
        except jwt.InvalidTokenError:
            return web.json_response({"active": False})
        return web.json_response({**claims, "active": token not in self.refused_tokens})
