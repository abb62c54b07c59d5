"""The document store of the cluster, through its REST API."""

from __future__ import annotations

import io
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from aiohttp import FormData

from worker.documents.http_client import HttpClient, HttpResponse
from worker.documents.sign_in import SignIn
from worker.errors import DocumentNotFound, DocumentRefused, DocumentsUnavailable
from worker.masking import excerpt
from worker.models.documents import File, StoredDocument

_MAX_ANSWER_BYTES = 100_000
_SHOWN_CHARACTERS = 200
# The entries of a reference; nothing else that the store says goes into the process.
_REFERENCE = ("camunda.document.type", "storeId", "documentId", "contentHash", "metadata")
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


class DocumentStore:
    """Fetches documents from the cluster and stores new ones.

    `address`: as in ZEEBE_REST_ADDRESS, such as `https://bru-2.zeebe.camunda.io/<cluster>`.
    """

    def __init__(self, http: HttpClient, address: str, sign_in: SignIn | None) -> None:
        self._http = http
        self._url = f"{address.removesuffix('/').removesuffix('/v2')}/v2/documents"
        self._sign_in = sign_in

    async def fetch(self, document: StoredDocument, *, max_bytes: int) -> HttpResponse:
        """Fetch a document. Raises a DocumentError."""
        place = {"storeId": document.store_id, "contentHash": document.content_hash}
        response = await self._request(
            "GET",
            f"{self._url}/{quote(document.document_id, safe='')}",
            max_bytes=max_bytes,
            params={name: value for name, value in place.items() if value is not None},
        )
        if response.status == HTTPStatus.NOT_FOUND:
            raise DocumentNotFound(
                f"Camunda's document store has no document {document.document_id}; it may have expired.",
                documentId=document.document_id,
            )
        return self._accepted(response, HTTPStatus.OK, f"give document {document.document_id}")

    async def create(self, file: File) -> dict[str, Any]:
        """Store a file; return the reference to it. Raises a DocumentError."""
        response = self._accepted(
            await self._request("POST", self._url, max_bytes=_MAX_ANSWER_BYTES, file=file),
            HTTPStatus.CREATED,
            f"take the attachment {file.name}",
        )
        try:
            content = json.loads(response.content)
            reference = {name: content[name] for name in _REFERENCE if name in content}
            return {"camunda.document.type": "camunda", **reference, "documentId": str(content["documentId"])}
        except (ValueError, TypeError, KeyError) as error:
            raise DocumentRefused(
                "Camunda's document store gave no reference to what it took; check ZEEBE_REST_ADDRESS."
            ) from error

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()
        if self._sign_in is not None:
            await self._sign_in.close()

    async def _request(
        self, method: str, url: str, *, max_bytes: int, file: File | None = None, **query: Any
    ) -> HttpResponse:
        """Send a request; repeat it once with a new token if the old one is no longer valid."""
        shown = None if self._sign_in is None else await self._sign_in.authorization()
        response = await self._send(method, url, shown, max_bytes=max_bytes, file=file, **query)
        if response.status == HTTPStatus.UNAUTHORIZED and self._sign_in is not None and shown is not None:
            self._sign_in.forget(shown)
            another = await self._sign_in.authorization()
            if another != shown:
                response = await self._send(method, url, another, max_bytes=max_bytes, file=file, **query)
        return response

    async def _send(
        self, method: str, url: str, shown: str | None, *, max_bytes: int, file: File | None, **query: Any
    ) -> HttpResponse:
        headers = {}
        if shown is not None:
            headers["Authorization"] = shown
        body = {} if file is None else {"data": _form(file)}
        return await self._http.request(method, url, max_bytes=max_bytes, headers=headers, **body, **query)

    def _accepted(self, response: HttpResponse, expected: HTTPStatus, task: str) -> HttpResponse:
        if response.status == expected:
            return response
        message = (
            f"Camunda's document store did not {task}: status {response.status}{self._reason(response)}."
        )
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status in _PASSING:
            raise DocumentsUnavailable(message, status=response.status)
        raise DocumentRefused(message, status=response.status)

    def _reason(self, response: HttpResponse) -> str:
        """Return what a problem report (RFC 9457) says, as the end of a sentence."""
        try:
            content = json.loads(response.content)
            reason = content.get("detail") or content.get("title") or ""
        except (ValueError, AttributeError, RecursionError):
            return ""
        shown = excerpt(str(reason), _SHOWN_CHARACTERS).removesuffix(".")
        return f", {shown}" if shown else ""


def _form(file: File) -> FormData:
    form = FormData(quote_fields=False)
    form.add_field(
        "file", io.BytesIO(file.content), filename=_form_name(file.name), content_type=file.content_type
    )
    metadata = {"fileName": file.name, "contentType": file.content_type}
    form.add_field("metadata", json.dumps(metadata, ensure_ascii=False), content_type="application/json")
    return form


def _form_name(name: str) -> str:
    """Return the name in the form for a multipart field; the metadata has the original name."""
    return name.replace("\\", "_").replace('"', "_")
