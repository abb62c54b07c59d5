"""What an IMAP server's replies say, from the pieces that imaplib hands over (RFC 9051, 7). Pure."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from imap_tools.imap_utf7 import utf7_decode

from worker.mail.imap.limits import HEADER_FIELDS

# A line without a literal, or (what stands before a literal, the literal); the rest of its line follows.
Piece = bytes | tuple[bytes, bytes]

_CODE = re.compile(r"\[([A-Za-z0-9/_-]+)(?: ([^\]]*))?\]\s*")
_STATUS = re.compile(rb"(\*|[A-Z]+\d+) +(OK|NO|BAD|BYE|PREAUTH)\b *(.*)", re.IGNORECASE | re.DOTALL)
_UNTAGGED = re.compile(rb"\* +(\d+ +)?([A-Z-]+)(.*)", re.IGNORECASE | re.DOTALL)
_QUOTED = rb'"((?:[^"\\]|\\.)*)"'
_FOLDER = re.compile(rb'\(([^)]*)\) +(?:"\\?(.)"|NIL) +(?:' + _QUOTED + rb"|(.+))", re.IGNORECASE | re.DOTALL)
_PERSONAL = re.compile(rb"\(\(" + _QUOTED + rb' +(?:"\\?(.)"|NIL)', re.IGNORECASE)
_STATUS_NAME = re.compile(_QUOTED + rb"|([^\s(]+)")
_STATUS_ITEM = re.compile(rb"(UIDNEXT|UIDVALIDITY) (\d{1,20})\b", re.IGNORECASE)
_FETCH_ITEM = re.compile(
    rb'\bUID (?P<uid>[^\s()]+)|\bRFC822\.SIZE (?P<size>\d{1,19})\b|\bINTERNALDATE "(?P<received>[^"]*)"'
    rb"|(?P<body>\bBODY\[[^\]]*\](?:<\d+>)?) (?:" + _QUOTED + rb"|NIL|~?\{\d+\+?\})"
    rb"|" + _QUOTED + rb"|~?\{\d+\+?\}",
    re.IGNORECASE | re.DOTALL,
)
_HIGHEST_UID = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a command, and the data that imaplib returns for it.

    `status` is OK, NO, BAD, BYE or PREAUTH. A response code ends at the first `]` (RFC 9051, 7.1).
    """

    status: str
    text: str
    data: Sequence[Piece | None] = field(default=(), repr=False)

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

    @property
    def pieces(self) -> list[Piece]:
        """The data without imaplib's sign for none at all."""
        return [each for each in self.data if each is not None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """One message of a FETCH reply; None if it has none, or was not asked for. `size` in octets."""

    uid: int
    size: int | None = None
    received: datetime | None = None
    section: bytes | None = None


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """One folder of a LIST reply; `raw_name` as the server writes it, without quotes."""

    raw_name: bytes
    delimiter: str | None
    is_selectable: bool


@dataclass(frozen=True, slots=True)
class UidMark:
    """A UID, with the UIDVALIDITY under which it means something."""

    uid_validity: int
    uid: int


def tolerated(line: bytes) -> bytes:
    """Return a line as imaplib can read it: letter case, blanks and a missing text mean nothing."""
    if status := _STATUS.fullmatch(line):
        return b"%b %b %b" % (status[1], status[2].upper(), status[3])
    if untagged := _UNTAGGED.fullmatch(line):
        number = untagged[1].strip() + b" " if untagged[1] else b""
        return b"* %b%b%b" % (number, untagged[2].upper(), untagged[3])
    return line


def read_status(line: bytes) -> Reply | None:
    """Read the line that ends a command, or BYE; None for any other line."""
    match = _STATUS.fullmatch(line)
    if match is None or (match[1] == b"*" and match[2].upper() != b"BYE"):
        return None
    return Reply(match[2].decode().upper(), match[3].decode("utf-8", "replace").strip())


def header_fields(*names: str, octets: int = HEADER_FIELDS) -> str:
    """Return the FETCH item of these header fields, of which no more octets are wanted."""
    return f"BODY.PEEK[HEADER.FIELDS ({' '.join(names)})]<0.{octets}>"


def read_fetched(pieces: Iterable[Piece]) -> Iterator[Fetched]:
    """Read the messages of FETCH replies, but for news of flags alone, for which nobody has asked."""
    heads: list[bytes] = []
    literals: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, tuple):
            heads.append(piece[0])
            literals.append(piece[1])
            continue
        message = _read_message(b" ".join([*heads, piece]), literals)
        if message is not None:
            yield message
        heads, literals = [], []


def _read_message(text: bytes, literals: Sequence[bytes]) -> Fetched | None:
    uid, size, received, is_asked = None, None, None, False
    sections: list[bytes] = []
    remaining = iter(literals)
    for item in _FETCH_ITEM.finditer(text):
        literal = next(remaining, b"") if item[0].endswith(b"}") else None
        if item["uid"]:
            uid = int(item["uid"])
        elif item["size"]:
            size = int(item["size"])
        elif item["received"] is not None:
            received = read_internal_date(item["received"])
        elif item["body"] and literal is not None:
            sections.append(literal)
        elif item["body"] and item[5] is not None:
            sections.append(re.sub(rb"\\(.)", rb"\1", item[5]))
        is_asked = is_asked or any(item[name] is not None for name in ("size", "received", "body"))
    if uid is None or not is_asked:
        return None
    if not 1 <= uid <= _HIGHEST_UID:
        raise ValueError(f"{uid} is no UID")
    return Fetched(uid, size, received, _joined(sections))


def _joined(sections: Sequence[bytes]) -> bytes | None:
    """Some servers give each header field in a section of its own."""
    if len(sections) > 1:
        return b"".join(section.rstrip(b"\r\n") + b"\r\n" for section in sections)
    return sections[0] if sections else None


def read_internal_date(value: bytes) -> datetime | None:
    """Read `17-Jul-1996 02:44:25 -0700` as a moment in UTC."""
    try:
        moment = parsedate_to_datetime(value.decode("latin-1").strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_folders(pieces: Iterable[Piece]) -> Iterator[ListedFolder]:
    """Read the lines of a LIST reply: flags, delimiter, name."""
    for piece in pieces:
        text, literal = piece if isinstance(piece, tuple) else (piece, None)
        match = _FOLDER.match(text)
        if match is None:
            continue
        flags, delimiter, quoted, atom = match.groups()
        name = quoted if literal is None else literal
        is_selectable = not {rb"\noselect", rb"\nonexistent"} & set(flags.lower().split())
        yield ListedFolder(
            atom.strip() if name is None else re.sub(rb"\\(.)", rb"\1", name) if literal is None else name,
            delimiter.decode("latin-1") if delimiter else None,
            is_selectable,
        )


def decode_name(raw: bytes) -> str:
    """Return the folder name that modified UTF-7 or UTF-8 stands for; another one as it stands."""
    with suppress(ValueError):
        return utf7_decode(raw) if raw.isascii() else raw.decode("utf-8")
    return raw.decode("latin-1")


def read_personal_namespace(pieces: Iterable[Piece]) -> tuple[str, str | None] | None:
    """Read prefix and delimiter of the user's own folders from a NAMESPACE reply (RFC 2342)."""
    match = next((_PERSONAL.match(piece) for piece in pieces if isinstance(piece, bytes)), None)
    return (decode_name(match[1]), match[2].decode("latin-1") if match[2] else None) if match else None


def read_next_uids(pieces: Iterable[Piece]) -> dict[str, UidMark]:
    """Read the UID that the next message will get from STATUS replies, by the folder's name."""
    marks = {}
    name = None
    for piece in pieces:
        if isinstance(piece, tuple):
            name = piece[1]
            continue
        if name is None and (match := _STATUS_NAME.match(piece)):
            name = match[1] if match[1] is not None else match[2]
        items = {key.upper(): int(value) for key, value in _STATUS_ITEM.findall(piece)}
        if name is not None and len(items) == 2:  # noqa: PLR2004 - both of them
            marks[decode_name(name)] = UidMark(items[b"UIDVALIDITY"], items[b"UIDNEXT"])
        name = None
    return marks


def read_copy_uid(lines: Sequence[bytes]) -> UidMark | None:
    """Read which message one has become from `<uidvalidity> <source> <target>` (COPYUID, RFC 4315)."""
    words = lines[-1].split() if lines else []
    if len(words) != 3 or not words[0].isdigit() or not words[2].isdigit():  # noqa: PLR2004 - as above
        return None
    return UidMark(int(words[0]), int(words[2]))


def read_numbers(pieces: Iterable[Piece], most: int) -> array[int]:
    """Read the numbers of SEARCH or SORT replies; ValueError for more of them than there can be."""
    numbers = array("I")
    for line in (piece for piece in pieces if isinstance(piece, bytes)):
        # What follows in parentheses is no number (RFC 7162, 3.1.5: MODSEQ).
        for word in re.finditer(rb"\d+", line.partition(b"(")[0]):
            if len(numbers) >= most:
                raise ValueError(f"more than the {most} messages of the folder")
            numbers.append(_number(word[0]))
    return numbers


def read_set(text: bytes, most: int) -> list[int]:
    """Return the numbers of a sequence set in its order, of which a range may run down (RFC 5267, 4.4).

    ValueError if it is no set, or has more numbers than there can be.
    """
    numbers: list[int] = []
    for part in text.split(b",") if text else ():
        first, _, last = part.partition(b":")
        start, end = _number(first), _number(last or first)
        if len(numbers) + abs(end - start) >= most:
            raise ValueError(f"more than the {most} messages that were asked for")
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


def _number(text: bytes) -> int:
    number = int(text) if text.isdigit() and len(text) <= len(str(_HIGHEST_UID)) else 0
    if not 1 <= number <= _HIGHEST_UID:
        raise ValueError(f"{text[:20]!r} is no UID")
    return number
