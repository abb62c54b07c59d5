"""The header block of a message or part, split into fields over the bytes themselves."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

# More than any sender writes. What is beyond is left out, as each field takes some hundred octets of memory.
MOST_FIELDS = 20_000
_MOST_BYTES = 1024 * 1024

_NAME = re.compile(rb"([!-9;-~]++)[ \t]*+:")
_NAME_BEYOND_ASCII = re.compile(rb"([!-9;-~\x80-\xff]++)[ \t]*+:")
_MBOX_LINE = re.compile(rb">?From ")
_NO_FOLD = re.compile(rb">?From |--")
_BLANK_LINE = re.compile(rb"\n\r?\n")
# What may come before the first field of a message.
_BLANK_LINES = re.compile(rb"[ \t\f\v\r\n\xc2\xa0]*\n")
_INDENTED_NAME = re.compile(rb"([ \t]*+)[!-9;-~]++[ \t]*+:")
# A line of something else (`+OK 1234 octets`) before a field that many messages begin with.
_STRAY_LINE = re.compile(
    rb"(?i)[^\n]*+\n(?=(?:Return-Path|Delivered-To|Received|Authentication-Results|DKIM-Signature|Message-ID|Date"
    rb"|From|Sender|Reply-To|To|Subject|MIME-Version|(?:ARC|Resent|X)-[\w-]++)[ \t]*+:)"
)
_LINE_ENDS = re.compile(rb"[\r\n]+")


@dataclass(frozen=True, slots=True)
class Field:
    """A header field: its name as written, its value as it stands, with its line breaks."""

    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """The fields in their order, and the offset where the body starts. `is_cut`: there were more fields."""

    fields: tuple[Field, ...]
    body_start: int
    is_cut: bool = False


def read_fields(
    raw: bytes,
    start: int = 0,
    *,
    most: int = MOST_FIELDS,
    is_delimiter: Callable[[bytes], bool] = lambda _line: False,
) -> HeaderBlock:
    """Read the header block that starts at an offset (RFC 5322, 2.2; RFC 2046, 5.1).

    It ends at an empty line or a delimiter line. A line that is no field is taken as the first line of the
    body, but if a field follows, as a field whose name is not ASCII, or else as the continuation of the
    field above (a broken fold). Of a block of more than a mebibyte, the fields in its first are read.
    """
    marks: list[tuple[bytes, int, int]] = []  # name, and where the value starts and ends
    position = start or _skip_start(raw)
    indent = b"" if start else _indent_at(raw, position)
    limit = position + _MOST_BYTES
    while position < min(len(raw), limit) and len(marks) < most:
        line_end = raw.find(b"\n", position) + 1 or len(raw)
        name = _NAME.match(raw, _after(indent, raw, position), line_end)
        if not name and marks and _NAME.match(raw, line_end):
            name = _NAME_BEYOND_ASCII.match(raw, position, line_end)
        if name:
            marks.append((name[1], name.end(), min(line_end, limit)))
        elif not raw[position:line_end].strip(b"\r\n"):
            return _to_block(raw, marks, line_end)
        elif is_delimiter(raw[position:line_end]):
            return _to_block(raw, marks, position)
        elif marks and (raw[position] in b" \t" or _is_broken_fold(raw, position, line_end)):
            marks[-1] = (*marks[-1][:2], min(line_end, limit))
        elif not (_MBOX_LINE.match(raw, position) and _NAME.match(raw, line_end)):
            return _to_block(raw, marks, position)
        position = line_end
    is_cut = position < len(raw)
    blank = _BLANK_LINE.search(raw, position - 1) if is_cut else None
    return _to_block(raw, marks, blank.end() if blank else len(raw), is_cut=is_cut)


def _skip_start(raw: bytes) -> int:
    """Return where the first field of a message stands: behind a mark of UTF-8, and behind stray lines.

    Exports put blank ones there (Gmail's "Show original" once did); a header block must follow.
    """
    start = len(BOM_UTF8) if raw.startswith(BOM_UTF8) else 0
    stray = _BLANK_LINES.match(raw, start) or (not _NAME.match(raw, start) and _STRAY_LINE.match(raw, start))
    end = stray.end() if stray else start
    is_header = _INDENTED_NAME.match(raw, end) or _MBOX_LINE.match(raw, end)
    return end if is_header and _BLANK_LINE.search(raw, end) else start


def _indent_at(raw: bytes, position: int) -> bytes:
    """Return the blanks before the first field of a message."""
    name = _INDENTED_NAME.match(raw, position)
    return name[1] if name else b""


def _after(indent: bytes, raw: bytes, position: int) -> int:
    """Return where a name may start: if the first field is indented, the others may be too."""
    return position + len(indent) if indent and raw.startswith(indent, position) else position


def unfold(value: bytes) -> bytes:
    """Return a field's value on one line: each fold becomes one blank (RFC 5322, 3.2.2)."""
    return b" ".join(line.strip(b" \t") for line in _LINE_ENDS.split(value)).strip(b" ")


def values_of(fields: Iterable[Field], name: bytes) -> Iterator[bytes]:
    """Yield the unfolded value of each field of a name (in lower case)."""
    return (unfold(field.value) for field in fields if field.name.lower() == name)


def first_value(fields: Iterable[Field], name: bytes) -> bytes | None:
    """Return the unfolded value of the first field of a name (in lower case), or None."""
    return next(values_of(fields, name), None)


def _is_broken_fold(raw: bytes, position: int, line_end: int) -> bool:
    """Tell whether a line continues the field above without an indent; no delimiter of a multipart does."""
    return bool(_NAME.match(raw, line_end)) and not _NO_FOLD.match(raw, position)


def _to_block(
    raw: bytes, marks: list[tuple[bytes, int, int]], body_start: int, *, is_cut: bool = False
) -> HeaderBlock:
    fields = tuple(Field(name, raw[start:end]) for name, start, end in marks)
    return HeaderBlock(fields, body_start, is_cut)
