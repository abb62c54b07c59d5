"""The header block of a message or part, split into fields over the bytes themselves."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# Not even the names of more fields would fit into an answer that the engine takes.
MOST_FIELDS = 200_000

_NAME = re.compile(rb"([!-9;-~]++)[ \t]*+:")
_MBOX_LINE = re.compile(rb">?From ")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_LINE_ENDS = re.compile(rb"[\r\n]+")


@dataclass(frozen=True, slots=True)
class Field:
    """A header field: its name as written, its value as it stands, with its line breaks."""

    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """The fields in their order, and the offset where the body starts."""

    fields: tuple[Field, ...]
    body_start: int


def read_fields(
    raw: bytes,
    start: int = 0,
    *,
    most: int = MOST_FIELDS,
    is_delimiter: Callable[[bytes], bool] = lambda _line: False,
) -> HeaderBlock:
    """Read the header block that starts at an offset (RFC 5322, 2.2; RFC 2046, 5.1).

    It ends at an empty line or a delimiter line. A line that is no field is taken as the continuation of
    the field above if a field follows (a broken fold), else as the first line of the body.
    """
    marks: list[tuple[bytes, int, int]] = []  # name, and where the value starts and ends
    position = start or (len(BOM_UTF8) if raw.startswith(BOM_UTF8) else 0)  # files put into a mailbox
    while position < len(raw) and len(marks) < most:
        line_end = raw.find(b"\n", position) + 1 or len(raw)
        name = _NAME.match(raw, position, line_end)
        if name:
            marks.append((name[1], name.end(), line_end))
        elif not raw[position:line_end].strip(b"\r\n"):
            return _to_block(raw, marks, line_end)
        elif is_delimiter(raw[position:line_end]):
            return _to_block(raw, marks, position)
        elif marks and (raw[position] in b" \t" or _is_broken_fold(raw, position, line_end)):
            marks[-1] = (*marks[-1][:2], line_end)
        elif not (_MBOX_LINE.match(raw, position) and _NAME.match(raw, line_end)):
            return _to_block(raw, marks, position)
        position = line_end
    blank = _BLANK_LINE.search(raw, position - 1) if position < len(raw) else None
    return _to_block(raw, marks, blank.end() if blank else len(raw))


def unfold(value: bytes) -> bytes:
    """Return a field's value on one line: each fold becomes one blank (RFC 5322, 3.2.2)."""
    value = value.strip(b" \t\r\n")
    if b"\n" not in value and b"\r" not in value:  # nearly all fields
        return value
    return b" ".join(line.strip(b" \t") for line in _LINE_ENDS.split(value)).strip(b" ")


def first_value(fields: Iterable[Field], name: bytes) -> bytes | None:
    """Return the unfolded value of the first field of a name (in lower case), or None."""
    return next((unfold(field.value) for field in fields if field.name.lower() == name), None)


def _is_broken_fold(raw: bytes, position: int, line_end: int) -> bool:
    return bool(_NAME.match(raw, line_end)) and not _MBOX_LINE.match(raw, position)


def _to_block(raw: bytes, marks: list[tuple[bytes, int, int]], body_start: int) -> HeaderBlock:
    return HeaderBlock(tuple(Field(name, raw[start:end]) for name, start, end in marks), body_start)
