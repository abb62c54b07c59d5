"""The part of Camunda's REST API that a developer needs: state of an instance, documents in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import BodyPartReader, web

from worker.sandbox.engine import Engine
from worker.sandbox.errors import SandboxError

_MAX_REQUEST_BYTES = 200 * 1024 * 1024


@asynccontextmanager
async def rest_api(engine: Engine, host: str, port: int) -> AsyncIterator[str]:
    """Serve the API while the block runs, port 0: on a free one; gives its address. Raises SandboxError."""
    api = _Api(engine)
    application = web.Application(client_max_size=_MAX_REQUEST_BYTES)
    application.add_routes(
        [
            web.get("/v2/topology", api.topology),
            web.get("/v2/process-instances/{key:\\d+}", api.instance),
            web.post("/v2/process-instances/{key:\\d+}/incidents/search", api.incidents),
            web.post("/v2/variables/search", api.variables),
            web.post("/v2/documents", api.store),
            web.get("/v2/documents/{id}", api.document),
        ]
    )
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SandboxError(f"The REST API cannot listen at {host}:{port} ({error.strerror}).") from error
        _, taken, *_ = runner.addresses[0]
        yield f"http://{host}:{taken}"
    finally:
        await runner.cleanup()


class _Api:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Content and content type.
        self._documents: dict[str, tuple[bytes, str]] = {}

    async def topology(self, _: web.Request) -> web.Response:
        return web.json_response({"gatewayVersion": "sandbox", "brokers": []})

    async def instance(self, request: web.Request) -> web.Response:
        key = int(request.match_info["key"])
        state = self._engine.state(key)
        if state is None:
            return web.json_response({"title": "NOT_FOUND"}, status=404)
        return web.json_response({"processInstanceKey": str(key), "state": state})

    async def incidents(self, request: web.Request) -> web.Response:
        found = self._engine.incidents(int(request.match_info["key"]))
        items = [
            {"elementId": each.element_id, "errorType": each.error_type, "errorMessage": each.message}
            for each in found
        ]
        return web.json_response({"items": items})

    async def variables(self, request: web.Request) -> web.Response:
        wanted = (await request.json())["filter"]
        found = self._engine.variables(int(wanted["processInstanceKey"]))
        items = [{"name": name, "value": json.dumps(value)} for name, value in found.items()]
        return web.json_response({"items": items})

    async def store(self, request: web.Request) -> web.Response:
        metadata: dict[str, Any] = {}
        content, content_type = b"", "application/octet-stream"
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name == "metadata":
                metadata = await part.json() or {}
            elif isinstance(part, BodyPartReader):
                content_type = part.headers.get("Content-Type", content_type)
                content = bytes(await part.read())
        document_id = f"document-{len(self._documents) + 1}"
        self._documents[document_id] = content, content_type
        reference = {
            "camunda.document.type": "camunda",
            "storeId": "in-memory",
            "documentId": document_id,
            "contentHash": hashlib.sha256(content).hexdigest(),
            "metadata": {"contentType": content_type, "size": len(content), **metadata},
        }
        return web.json_response(reference, status=201)

    async def document(self, request: web.Request) -> web.Response:
        found = self._documents.get(request.match_info["id"])
        if found is None:
            return web.json_response({"title": "NOT_FOUND"}, status=404)
        content, content_type = found
        return web.Response(body=content, headers={"Content-Type": content_type})
