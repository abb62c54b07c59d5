"""The parts of a message from what a server says of its structure (RFC 9051, 7.5.2). Pure."""

from __future__ import annotations

from typing import Any

from worker.mail.imap.lists import read_pairs
from worker.mail.message.parse_encodings import known_encoding
from worker.mail.message.parse_structure import Part, Structure

_USED_PARAMETERS = ("name", "start", "boundary")


def read_body_structure(fields: list[Any]) -> Structure | None:
    """Read the list that BODYSTRUCTURE gives; None if it cannot be understood."""
    parts: list[Part] = []
    waiting: list[tuple[list[Any], Part | None]] = [(fields, None)]
    while waiting:
        fields, parent = waiting.pop()
        try:
            part, children = _read_part(fields, parent)
        except (IndexError, TypeError, AttributeError, ValueError):
            return None
        parts.append(part)
        waiting += [(child, part) for child in reversed(children)]
    return Structure((), parts, is_cut=False)


def _read_part(fields: list[Any], parent: Part | None) -> tuple[Part, list[Any]]:
    """Return a part and the fields of its children; an attached message is one part."""
    children = []
    for field in fields:
        if not isinstance(field, list):
            break
        children.append(field)
    content_id = encoding = None
    if children:
        subtype, parameters, *_ = [*fields[len(children) :], None]
        kind = f"multipart/{subtype}"
    else:
        kind = f"{fields[0]}/{fields[1]}".strip("'\"")  # as some senders put it in quotes
        parameters, content_id, encoding = fields[2], fields[3], fields[5]
    name, given = next(filter(_is_disposition, fields[len(children) :]), ("", None))
    part = Part(
        parent=parent,
        content_type=kind.lower(),
        parameters={key: value for key, value in read_pairs(parameters).items() if key in _USED_PARAMETERS},
        encoding=known_encoding(encoding or ""),
        disposition=name.lower(),
        file_name=read_pairs(given).get("filename") or read_pairs(parameters).get("name"),
        content_id=(content_id or "").encode("latin_1"),
        header_start=0,
        start=0,
        end=0,
        index=parent.child_count if parent else 0,
    )
    if parent:
        parent.child_count += 1
    return part, children


def _is_disposition(field: Any) -> bool:
    """Tell whether a field is a name with its parameters; the place of it depends on the type."""
    match field:
        case [str(), None | list()]:
            return True
    return False
