"""Camunda's document store and an authorization server as far as their public contract goes; no Camunda.

What is here was written from the published REST API (`/v2/documents`) and RFC 6749: it proves that the
worker keeps to them, not that a cluster does.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import BodyPartReader, web

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

DocumentKey = tuple[str, str]


@dataclass
class StoredFile:
    """A document as the store holds it, with the metadata that came with it."""

    content: bytes
    name: str
    content_type: str
    metadata: dict[str, Any]


@dataclass
class DocumentServer:
    """Listens at a free port of 127.0.0.1.

    `faults` are the statuses of the next answers of the store, before it serves again; `token_faults` those
    of the authorization server. `says`: why. With `needs_token`, the store lets in only who brings the newest
    token.
    """

    needs_token: bool = False
    says: str = "The store says no."
    token_life_seconds: float = 300
    tls_context: ssl.SSLContext | None = None
    faults: deque[int] = field(default_factory=deque)
    token_faults: deque[int] = field(default_factory=deque)
    documents: dict[str, StoredFile] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    sign_ins: list[dict[str, str]] = field(default_factory=list)
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    port: int = 0

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=200 * 1024 * 1024)
        application.router.add_get("/v2/documents/{key}", self._give)
        application.router.add_post("/v2/documents", self._take)
        application.router.add_post("/oauth/token", self._sign_in)
        application.router.add_get("/files/{name:.*}", self._page)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls_context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def address(self) -> str:
        """As in ZEEBE_REST_ADDRESS."""
        return f"{'https' if self.tls_context else 'http'}://127.0.0.1:{self.port}"

    @property
    def token_url(self) -> str:
        """As in ZEEBE_AUTHORIZATION_SERVER_URL."""
        return f"{self.address}/oauth/token"

    def put(self, content: bytes, name: str, content_type: str) -> dict[str, Any]:
        """Store a document; return the reference that a process would hold."""
        key = f"document-{len(self.documents) + 1}"
        metadata = {"fileName": name, "contentType": content_type, "size": len(content)}
        self.documents[key] = StoredFile(content, name, content_type, metadata)
        return self._reference(key)

    def _reference(self, key: str) -> dict[str, Any]:
        return {
            "camunda.document.type": "camunda",
            "storeId": "in-memory",
            "documentId": key,
            "contentHash": f"hash-of-{key}",
            "metadata": self.documents[key].metadata,
        }

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.requests.append(f"{request.method} {request.path_qs}")
        self.authorizations.append(request.headers.get("Authorization", ""))
        token = f"Bearer token-{len(self.sign_ins)}"
        if self.needs_token and request.headers.get("Authorization") != token:
            return _problem(401, "Unauthorized")
        if self.faults:
            return _problem(self.faults.popleft(), self.says)
        return None

    async def _give(self, request: web.Request) -> web.StreamResponse:
        refusal, key = self._refusal(request), request.match_info["key"]
        if refusal is not None:
            return refusal
        if key not in self.documents or request.query.get("contentHash") != f"hash-of-{key}":
            return _problem(404, "No such document.")
        file = self.documents[key]
        return web.Response(body=file.content, content_type=file.content_type)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal(request):
            return refusal
        metadata: dict[str, Any] = {}
        file = None
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            content, content_type = bytes(await part.read()), part.headers["Content-Type"]
            if part.name == "file":
                file = StoredFile(content, part.filename or "", content_type, metadata)
            else:
                assert content_type.startswith("application/json")
                metadata |= json.loads(content)
        if file is None:
            return _problem(400, "file is required")
        key = f"document-{len(self.documents) + 1}"
        self.documents[key] = file
        file.metadata |= {"size": len(file.content)}
        return web.json_response(self._reference(key), status=201)

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if self.token_faults:
            return _problem(self.token_faults.popleft(), f"refused {form['client_secret']}")
        self.sign_ins.append(form)
        token = f"token-{len(self.sign_ins)}"
        return web.json_response({"access_token": token, "expires_in": self.token_life_seconds})

    async def _page(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        status, headers, body = self.pages.get(request.match_info["name"], (404, {}, b""))
        assert "Authorization" not in request.headers
        return web.Response(status=status, headers=headers, body=body)


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response(
        {"title": "Refused", "detail": detail}, status=status, content_type="application/problem+json"
    )
