"""The parts of a message from what a server says of its structure (RFC 9051, 7.5.2). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from worker.mail.message.parse_structure import Part, Structure

# A string that is not closed ends with the text: so no part of it is read twice. Longer strings and blanks
# come in pieces: no other thread runs while the next token is looked for.
_TOKEN = re.compile(
    rb'[()]|"(?:[^"\\]|\\.){0,10000}+(?:"|\\?\Z)?|~?\{\d+\+?\}|[^\s()"]{1,10000}|\s{2,10000}', re.DOTALL
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
# How many fields stand before it, the checksum among them; a text has its lines too, a message its envelope,
# structure and lines.
_DISPOSITION, _DISPOSITION_OF_TEXT, _DISPOSITION_OF_MESSAGE = 8, 9, 11
# A message of 20,000 parts has as many; each takes up to a hundred octets of memory.
_MOST_TOKENS = 400_000
_USED_PARAMETERS = ("name", "start", "boundary")


def read_body_structure(text: bytes, literals: Iterable[bytes]) -> Structure | None:
    """Read the list at the start of `text`; None if it cannot be understood or is too long.

    `literals`: those that stand in it, in their order.
    """
    tree = _read_list(text, iter(literals))
    if tree is None:
        return None
    parts: list[Part] = []
    waiting: list[tuple[list[Any], Part | None]] = [(tree, None)]
    while waiting:
        fields, parent = waiting.pop()
        try:
            part, children = _read_part(fields, parent)
        except (IndexError, TypeError, AttributeError, ValueError):
            return None
        parts.append(part)
        waiting += [(child, part) for child in reversed(children)]
    return Structure((), parts, is_cut=False)


def _read_list(text: bytes, literals: Iterator[bytes]) -> list[Any] | None:
    root: list[Any] = []
    open_lists = [root]
    for token in islice(_TOKEN.finditer(text), _MOST_TOKENS):
        word = token[0]
        if word == b"(":
            inner: list[Any] = []
            open_lists[-1].append(inner)
            open_lists.append(inner)
        elif word == b")":
            open_lists.pop()
            if len(open_lists) == 1:
                return root[0]  # type: ignore[no-any-return]
            if not open_lists:
                return None
        elif not word.isspace():
            open_lists[-1].append(_read_text(word, literals))
    return None


def _read_text(word: bytes, literals: Iterator[bytes]) -> str | None:
    if word.startswith(b'"'):
        word = _ESCAPED.sub(rb"\1", word[1:-1])
    elif word.endswith(b"}"):
        word = next(literals, b"")
    elif word.upper() == b"NIL":
        return None
    return word.decode("latin_1")


def _read_part(fields: list[Any], parent: Part | None) -> tuple[Part, list[Any]]:
    """Return a part and the fields of its children; an attached message is one part."""
    children = []
    for field in fields:
        if not isinstance(field, list):
            break
        children.append(field)
    if children:
        subtype, *extension = fields[len(children) :]
        kind, parameters, disposition = f"multipart/{subtype}", _at(extension, 0), _at(extension, 1)
        content_id = encoding = None
    else:
        kind = f"{fields[0]}/{fields[1]}".strip("'\"")  # as some senders put it in quotes
        parameters, content_id, encoding = fields[2], fields[3], fields[5]
        disposition = _at(fields, _disposition_place(kind.lower()))
    name, given = disposition if isinstance(disposition, list) else ("", None)
    file_name = _pairs(given).get("filename") or _pairs(parameters).get("name")
    part = Part(
        parent=parent,
        content_type=kind.lower(),
        parameters={key: value for key, value in _pairs(parameters).items() if key in _USED_PARAMETERS},
        encoding=(encoding or "").lower(),
        disposition=name.lower(),
        file_name=file_name,
        content_id=(content_id or "").encode("latin_1"),
        header_start=0,
        start=0,
        end=0,
        index=parent.child_count if parent else 0,
        child_count=0,
    )
    if parent:
        parent.child_count += 1
    return part, children


def _disposition_place(kind: str) -> int:
    if kind == "message/rfc822":
        return _DISPOSITION_OF_MESSAGE
    return _DISPOSITION_OF_TEXT if kind.startswith("text/") else _DISPOSITION


def _at(fields: list[Any], place: int) -> Any:
    return fields[place] if place < len(fields) else None


def _pairs(parameters: list[str] | None) -> dict[str, str]:
    flat = parameters or []
    return {name.lower(): value for name, value in zip(flat[::2], flat[1::2], strict=False)}
