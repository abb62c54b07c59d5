"""The client for attachments: the document store, inline documents and URLs; built once by the app."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from worker.documents.http_client import HttpClient, HttpResponse
from worker.documents.store import DocumentStore
from worker.documents.urls import UrlPolicy
from worker.errors import DocumentRefused, DocumentStoreMissing, DocumentsUnavailable, DocumentTooLarge
from worker.models.documents import Document, ExternalDocument, File, InlineDocument, StoredDocument

_ANY_TYPE = "application/octet-stream"
# Only of the standard library: what the machine knows in addition differs between machines.
_TYPES = mimetypes.MimeTypes()


@dataclass(frozen=True, slots=True)
class DocumentClient:
    """Fetches and stores documents within limits.

    Without `store`, documents of the cluster can be neither fetched nor stored. `max_bytes`: the limit on all
    documents of one email together.
    """

    http: HttpClient | None = None
    store: DocumentStore | None = None
    urls: UrlPolicy = field(default_factory=UrlPolicy)
    max_bytes: int = 25 * 1024 * 1024

    async def fetch(self, documents: Sequence[Document]) -> tuple[File, ...]:
        """Fetch documents in order. Raises a DocumentError, UrlNotAllowed or DocumentStoreMissing."""
        files: list[File] = []
        left = self.max_bytes
        for number, document in enumerate(documents, start=1):
            file = _named(await self._fetch(document, left), number)
            if document.content_id:
                file = replace(file, content_id=document.content_id)
            left -= len(file.content)
            files.append(file)
        return tuple(files)

    def is_to_store(self, *, wanted: bool | None) -> bool:
        """Tell whether attachments are stored: as wanted, or by default if there is a store.

        Raises DocumentStoreMissing if they must be stored and there is no store.
        """
        if wanted:
            self.require_store()
        return self.store is not None if wanted is None else wanted

    def require_store(self) -> DocumentStore:
        """Return the store; raises DocumentStoreMissing."""
        if self.store is None:
            raise DocumentStoreMissing(
                "This needs Camunda's document store, whose address the worker was not given;"
                " ask its operator to set ZEEBE_REST_ADDRESS."
            )
        return self.store

    async def close(self) -> None:
        """Close all connections."""
        if self.http is not None:
            await self.http.close()
        if self.store is not None:
            await self.store.close()

    async def _fetch(self, document: Document, left: int) -> File:
        match document:
            case InlineDocument():
                if len(document.content) > left:
                    raise DocumentTooLarge(
                        f"The attachments have more than the {self.max_bytes:,} bytes that"
                        " EMAIL_WORKER_MAX_ATTACHMENT_BYTES allows for an email.",
                        limit=self.max_bytes,
                    )
                return _file(document.name, document.content_type, document.content)
            case StoredDocument():
                response = await self.require_store().fetch(document, max_bytes=left)
                return _file(document.name, document.content_type or response.content_type, response.content)
            case ExternalDocument():
                response = await self._get(document, left)
                return _file(document.name, response.content_type, response.content)

    async def _get(self, document: ExternalDocument, left: int) -> HttpResponse:
        url = self.urls.admit(document.url)
        if self.http is None:
            raise RuntimeError("a client that allows URLs needs an HTTP client")
        response = await self.http.request("GET", str(url), max_bytes=left)
        if response.status == HTTPStatus.OK:
            return response
        message = f"{url.host} answered the request for an attachment with status {response.status}."
        if response.is_temporary_failure:
            raise DocumentsUnavailable(message, **response.failure_details)
        raise DocumentRefused(message, status=response.status)


def _file(name: str | None, content_type: str | None, content: bytes) -> File:
    if content_type in (None, "", _ANY_TYPE) and name:
        content_type = _TYPES.guess_type(name)[0]
    return File(name or "", content_type or _ANY_TYPE, content)


def _named(file: File, number: int) -> File:
    if file.name:
        return file
    extension = _TYPES.guess_extension(file.content_type.partition(";")[0].strip()) or ""
    return replace(file, name=f"attachment-{number}{extension}")
