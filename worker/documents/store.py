"""The document store of the cluster, through its REST API."""

from __future__ import annotations

import io
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from aiohttp import FormData

from worker.documents.cluster_api import ClusterApi
from worker.documents.http_client import HttpResponse
from worker.errors import DocumentNotFound, DocumentRefused, DocumentsUnavailable
from worker.masking import excerpt
from worker.models.documents import File, StoredDocument

_MAX_ANSWER_BYTES = 100_000
_SHOWN_CHARACTERS = 200
# A longer answer is not the reason of a refusal, and reading it would delay other work.
_MAX_REASON_BYTES = 10_000
# The entries of a reference; nothing else that the store says goes into the process.
_REFERENCE = ("camunda.document.type", "storeId", "documentId", "contentHash", "metadata")


class DocumentStore(ClusterApi):
    """Fetches documents from the cluster and stores new ones."""

    async def fetch(self, document: StoredDocument, *, max_bytes: int) -> HttpResponse:
        """Fetch a document. Raises a DocumentError."""
        place = {"storeId": document.store_id, "contentHash": document.content_hash}
        params = {name: value for name, value in place.items() if value is not None}
        path = f"/documents/{quote(document.document_id, safe='')}"
        response = await self.request("GET", path, max_bytes=max_bytes, body=lambda: {"params": params})
        name = _shown(document.document_id)
        if response.status == HTTPStatus.NOT_FOUND:
            raise DocumentNotFound(
                f"Camunda's document store has no document {name}; it may have expired.",
                documentId=document.document_id,
            )
        return self._accepted(response, HTTPStatus.OK, f"give document {name}")

    async def create(self, file: File) -> dict[str, Any]:
        """Store a file; return the reference to it. Raises a DocumentError."""
        response = await self.request(
            "POST", "/documents", max_bytes=_MAX_ANSWER_BYTES, body=lambda: {"data": _form(file)}
        )
        response = self._accepted(response, HTTPStatus.CREATED, f"take the attachment {_shown(file.name)}")
        try:
            content = json.loads(response.content)
            reference = {name: content[name] for name in _REFERENCE if name in content}
            return {"camunda.document.type": "camunda", **reference, "documentId": str(content["documentId"])}
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise DocumentRefused(
                "Camunda's document store gave no reference to what it took; check ZEEBE_REST_ADDRESS."
            ) from error

    def _accepted(self, response: HttpResponse, expected: HTTPStatus, task: str) -> HttpResponse:
        if response.status == expected:
            return response
        message = (
            f"Camunda's document store did not {task}: status {response.status}{self._reason(response)}."
        )
        if response.is_temporary_failure:
            raise DocumentsUnavailable(message, **response.failure_details)
        raise DocumentRefused(message, status=response.status)

    def _reason(self, response: HttpResponse) -> str:
        """Return what a problem report (RFC 9457) says, as the end of a sentence."""
        if len(response.content) > _MAX_REASON_BYTES:
            return ""
        try:
            content = json.loads(response.content)
            reason = content.get("detail") or content.get("title") or ""
        except (ValueError, AttributeError, RecursionError):
            return ""
        shown = _shown(str(reason)).removesuffix(".")
        return f", {shown}" if shown else ""


def _shown(text: str) -> str:
    return excerpt(text, _SHOWN_CHARACTERS)


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
