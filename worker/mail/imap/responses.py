"""What an IMAP server's answers say (RFC 9051, section 7): values, folders, fetched messages. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# imaplib hands a line over in pieces: (text up to a literal, the literal), ..., text behind the last one.
Piece = bytes | tuple[bytes, bytes]
Value = bytes | None | list["Value"]

_TOKEN = re.compile(rb'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|((?:\[[^\]]*\]|[^\s()"])+))', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_LITERAL_MARK = re.compile(rb"~?\{\d+\+?\}$")
_CODE = re.compile(r"\[([A-Za-z0-9/_-]+)(?: ([^\]]*))?\]\s*")
_MOST_MESSAGES = 10_000_000
# What a server tells of a message unasked, as when another client has read it (RFC 9051, 7.5.2; RFC 7162).
_UNASKED = frozenset({b"UID", b"FLAGS", b"MODSEQ"})
_INTERNAL_DATE = re.compile(rb"\s*(\d{1,2})-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a command, and what came before it by its name (`SEARCH`, `LIST`, ...).

    `status` is OK, NO, BAD or BYE. Response codes: RFC 9051, 7.1.
    """

    status: str
    text: str
    data: Mapping[str, Sequence[Piece]]

    @property
    def is_ok(self) -> bool:
        """Whether the server has done it."""
        return self.status == "OK"

    @property
    def code(self) -> str:
        """The response code's name in upper case, or empty."""
        match = _CODE.match(self.text)
        return match[1].upper() if match else ""

    @property
    def code_arguments(self) -> str:
        """What stands behind the name in the response code, or empty."""
        match = _CODE.match(self.text)
        return (match[2] or "") if match else ""

    def numbers(self, name: str) -> list[int]:
        """The numbers of a SEARCH or SORT answer, in its order."""
        lines = (line for line in self.data.get(name, ()) if isinstance(line, bytes))
        # What follows in parentheses is no number (RFC 7162, 3.1.5: MODSEQ).
        return [int(word) for line in lines for word in line.partition(b"(")[0].split() if word.isdigit()]

    def number(self, name: str) -> int | None:
        """The number of a response code such as UIDVALIDITY, wherever it came."""
        lines = [line for line in self.data.get(name, ()) if isinstance(line, bytes) and line.isdigit()]
        return int(lines[-1]) if lines else None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One message of a FETCH answer; None where it was not asked for. `size` in octets."""

    uid: int
    size: int | None = None
    received: datetime | None = None
    section: bytes | None = None


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """One folder of a LIST answer; `raw_name` as the server writes it."""

    raw_name: bytes
    delimiter: str | None
    is_selectable: bool


@dataclass(frozen=True, slots=True)
class PartialResult:
    """An ESEARCH answer (RFC 4731, 5267): the wanted ones in their order, and how many there are in all."""

    uids: list[int]
    count: int


@dataclass(frozen=True, slots=True)
class UidMark:
    """A UID, with the UIDVALIDITY under which it means something."""

    uid_validity: int
    uid: int


def read_values(pieces: Iterable[Piece]) -> list[Value]:
    """Read atoms, strings and lists; an unquoted NIL is None. Damaged parts are passed over."""
    root: list[Value] = []
    stack = [root]
    for piece in pieces:
        text, literal = piece if isinstance(piece, tuple) else (piece, None)
        if literal is not None:
            text = _LITERAL_MARK.sub(b"", text)
        for parenthesis, quoted, atom in _TOKEN.findall(text):
            if parenthesis == b"(":
                inner: list[Value] = []
                stack[-1].append(inner)
                stack.append(inner)
            elif parenthesis:
                if len(stack) > 1:
                    stack.pop()
            elif atom:
                stack[-1].append(None if atom.upper() == b"NIL" else atom)
            else:
                stack[-1].append(_ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted)
        if literal is not None:
            stack[-1].append(literal)
    return root


def header_fields(*names: str) -> str:
    """Return the FETCH item of these header fields; more than 64 KB of them are not wanted."""
    return f"BODY.PEEK[HEADER.FIELDS ({' '.join(names)})]<0.65536>"


def read_fetched(pieces: Iterable[Piece]) -> Fetched | None:
    """Read one FETCH answer; None for one that nobody asked for: what another client did to a message."""
    items = next((value for value in read_values(pieces) if isinstance(value, list)), [])
    uid = size = received = section = None
    is_asked = False
    for name, value in zip(items[::2], items[1::2], strict=False):
        if not isinstance(name, bytes):
            continue
        upper = name.upper()
        is_asked = is_asked or upper not in _UNASKED
        if not isinstance(value, bytes):
            continue
        match upper:
            case b"UID":
                uid = _number(value, 32)
            case b"RFC822.SIZE":
                size = _number(value, 63)
            case b"INTERNALDATE":
                received = read_internal_date(value)
            case _ if upper.startswith(b"BODY["):
                section = value
    return Fetched(uid, size, received, section) if uid is not None and is_asked else None


def read_internal_date(value: bytes) -> datetime | None:
    """Read `17-Jul-1996 02:44:25 -0700` as a moment in UTC."""
    match = _INTERNAL_DATE.match(value)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    try:
        moment = datetime(
            int(year),
            _MONTHS[month.lower()],
            int(day),
            int(hour),
            int(minute),
            min(int(second), 59),
            tzinfo=UTC,
        )
        return moment + offset if sign == b"-" else moment - offset
    except (ValueError, KeyError, OverflowError):
        return None


def read_folders(lines: Sequence[Piece]) -> list[ListedFolder]:
    """Read the lines of a LIST answer: flags, delimiter, name."""
    folders = []
    for line in _joined(lines):
        values = read_values(line)
        if len(values) < 3 or not isinstance(values[0], list) or not isinstance(values[2], bytes):  # noqa: PLR2004 - flags, delimiter, name
            continue
        flags = {flag.lower() for flag in values[0] if isinstance(flag, bytes)}
        delimiter = values[1].decode("latin-1") if isinstance(values[1], bytes) else None
        folders.append(
            ListedFolder(values[2], delimiter or None, not flags & {rb"\noselect", rb"\nonexistent"})
        )
    return folders


def read_personal_namespace(lines: Sequence[Piece]) -> tuple[bytes, str | None] | None:
    """Read prefix and delimiter of the user's own folders from a NAMESPACE answer (RFC 2342)."""
    values = next((read_values(line) for line in _joined(lines)), [])
    first = values[0][0] if values and isinstance(values[0], list) and values[0] else None
    if not isinstance(first, list) or len(first) < 2 or not isinstance(first[0], bytes):  # noqa: PLR2004 - prefix, delimiter
        return None
    return first[0], first[1].decode("latin-1") if isinstance(first[1], bytes) else None


def read_partial(lines: Sequence[Piece]) -> PartialResult | None:
    """Read `(TAG "a1") UID COUNT 9 PARTIAL (1:3 7,5:6)`; None where a count or the part is not there."""
    items = _extended_items(lines)
    count, part = items.get(b"COUNT"), items.get(b"PARTIAL")
    if not isinstance(count, bytes) or not count.isdigit() or not isinstance(part, list):
        return None
    found = part[1] if len(part) > 1 else None
    uids = expand_set(found) if isinstance(found, bytes) else []
    return None if uids is None else PartialResult(uids, int(count))


def read_all(lines: Sequence[Piece]) -> list[int] | None:
    """Read `(TAG "a1") UID ALL 1:3,7`, where nothing found is said by no ALL; None for another answer."""
    if not lines:
        return None
    found = _extended_items(lines).get(b"ALL", b"")
    return expand_set(found) if isinstance(found, bytes) else None


def _extended_items(lines: Sequence[Piece]) -> dict[bytes, Value]:
    values = read_values(lines[-1:])
    return {name: value for name, value in itertools.pairwise(values) if isinstance(name, bytes)}


def read_next_uids(lines: Sequence[Piece]) -> dict[bytes, UidMark]:
    """Read the UID that the next message will get from STATUS answers, by the folder's name."""
    marks = {}
    for line in _joined(lines):
        values = read_values(line)
        if len(values) < 2 or not isinstance(values[0], bytes) or not isinstance(values[1], list):  # noqa: PLR2004 - name, items
            continue
        items = {
            name: int(value)
            for name, value in zip(values[1][::2], values[1][1::2], strict=False)
            if isinstance(name, bytes) and isinstance(value, bytes) and value.isdigit()
        }
        if b"UIDNEXT" in items and b"UIDVALIDITY" in items:
            marks[values[0]] = UidMark(items[b"UIDVALIDITY"], items[b"UIDNEXT"])
    return marks


def read_copy_uid(lines: Sequence[Piece]) -> UidMark | None:
    """Read which message one has become from `<uidvalidity> <source> <target>` (COPYUID, RFC 4315)."""
    words = lines[-1].split() if lines and isinstance(lines[-1], bytes) else []
    if len(words) != 3 or not words[0].isdigit() or not words[2].isdigit():  # noqa: PLR2004 - as above
        return None
    return UidMark(int(words[0]), int(words[2]))


def expand_set(text: bytes) -> list[int] | None:
    """Return the numbers of a sequence set in its order, of which a range may run down (RFC 5267, 4.4).

    None where it is no set, or of more messages than any folder has.
    """
    numbers: list[int] = []
    for part in text.split(b",") if text else ():
        first, _, last = part.partition(b":")
        if not first.isdigit() or not (last or first).isdigit():
            return None
        start, end = int(first), int(last or first)
        if len(numbers) + abs(end - start) >= _MOST_MESSAGES:
            return None
        numbers.extend(range(start, end + 1) if start <= end else range(start, end - 1, -1))
    return numbers


def format_set(numbers: Iterable[int]) -> str:
    """Return numbers as the shortest sequence set, `1:3,7`."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}:{last}" for first, last in ranges)


def _number(text: bytes, bits: int) -> int:
    number = int(text)
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{number} is out of range")
    return number


def _joined(lines: Sequence[Piece]) -> Iterable[list[Piece]]:
    """Put the pieces of each line together."""
    pending: list[Piece] = []
    for line in lines:
        pending.append(line)
        if isinstance(line, bytes):
            yield pending
            pending = []
