"""Documents that a process refers to: in Camunda's document store, in the reference itself, or at a URL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from worker.models.expectation import fault
from worker.models.texts import check_name

_KIND = "camunda.document.type"
_MAX_TEXT = 2_000
CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}")
# As the HTML names the attachment (RFC 2392): `cid:logo`.
_URL_SCHEME = re.compile("^cid:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document in the store of the cluster."""

    document_id: str
    store_id: str | None = None
    content_hash: str | None = None
    name: str | None = None
    content_type: str | None = None
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class InlineDocument:
    """A document whose content is in the reference."""

    content: bytes = field(repr=False)
    name: str | None = None
    content_type: str | None = None
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class ExternalDocument:
    """A document that anyone can get at a URL."""

    url: str
    name: str | None = None
    content_id: str | None = None


Document = StoredDocument | InlineDocument | ExternalDocument


@dataclass(frozen=True, slots=True)
class File:
    """The content of a document or an attachment. `content_type`: a media type such as `application/pdf`.

    `content_id`: by which the HTML of its email shows it, without angle brackets.
    """

    name: str
    content_type: str
    content: bytes = field(repr=False)
    content_id: str | None = None


def parse_documents(value: Any) -> tuple[Document, ...]:
    """Read one reference or a list of them; lists in the list are laid out, null in it does not count.

    Raises ValueError with a phrase that completes "<field> …" and names the path to the fault.
    """
    return tuple(_read(reference, path) for reference, path in _references(value, ""))


def _references(value: Any, path: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    if isinstance(value, Mapping):
        yield value, path
    elif isinstance(value, list | tuple):
        # A form's file field gives a list, which then stands in the list of the diagram.
        for index, item in enumerate(value):
            yield from _references(item, f"{path}[{index}]")
    elif value is not None:
        raise fault(path, "must be a document reference, as Camunda's forms and connectors give it")


def _read(reference: Mapping[str, Any], path: str) -> Document:
    if _KIND not in reference and "contentType" in reference:
        raise fault(path, "is an attachment that was listed, and not stored")
    match reference.get(_KIND):
        case "camunda":
            document: Document = _read_stored(reference, path)
        case "inline":
            document = _read_inline(reference, path)
        case "external":
            url = _required(reference, "url", path)
            document = ExternalDocument(url, _text(reference, "name", path))
        case _:
            raise fault(f"{path}.{_KIND}", "must be 'camunda', 'inline' or 'external'")
    return replace(document, content_id=_content_id(reference, path))


def _content_id(reference: Mapping[str, Any], path: str) -> str | None:
    text = (_text(reference, "contentId", path) or "").removeprefix("<").removesuffix(">")
    content_id = _URL_SCHEME.sub("", text.strip())
    if content_id and not CONTENT_ID.fullmatch(content_id):
        raise fault(f"{path}.contentId", "must be ASCII characters without blanks and < or >, such as logo")
    return content_id or None


def _read_stored(reference: Mapping[str, Any], path: str) -> StoredDocument:
    metadata = reference.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise fault(f"{path}.metadata", "must be a context")
    document_id = _required(reference, "documentId", path)
    if document_id in {".", ".."}:
        raise fault(f"{path}.documentId", "may not be '.' or '..'")
    return StoredDocument(
        document_id=document_id,
        store_id=_text(reference, "storeId", path),
        content_hash=_text(reference, "contentHash", path),
        name=_text(metadata, "fileName", f"{path}.metadata"),
        content_type=_text(metadata, "contentType", f"{path}.metadata"),
    )


def _read_inline(reference: Mapping[str, Any], path: str) -> InlineDocument:
    content = reference.get("content")
    if content is None:
        raise fault(f"{path}.content", "is required")
    # As Camunda's runtime has it: a text is its UTF-8, anything else is its JSON.
    text = (
        content
        if isinstance(content, str)
        else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    )
    return InlineDocument(
        text.encode("utf-8", "replace"),
        _text(reference, "name", path),
        _text(reference, "contentType", path),
    )


def _required(reference: Mapping[str, Any], name: str, path: str) -> str:
    text = _text(reference, name, path)
    if text is None:
        raise fault(f"{path}.{name}", "is required")
    return text


def _text(reference: Mapping[str, Any], name: str, path: str) -> str | None:
    value = reference.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise fault(f"{path}.{name}", f"must be a text of at most {_MAX_TEXT} characters")
    try:
        return check_name(value).strip() or None
    except ValueError as error:
        raise fault(f"{path}.{name}", str(error)) from None
