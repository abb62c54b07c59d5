"""What an IMAP server's replies say, from the pieces that imaplib hands over (RFC 9051, 7). Pure."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from operator import length_hint

from imap_tools.imap_utf7 import utf7_decode

from worker.mail.imap.body_structure import read_body_structure
from worker.mail.imap.limits import HEADER_FIELDS
from worker.mail.message.parse_attachments import has_attachments
from worker.mail.message.parse_dates import read_date

# A line without a literal, or (what stands before a literal, the literal); the rest of its line follows.
Piece = bytes | tuple[bytes, bytes]

_CODE = re.compile(r"\[([A-Za-z0-9/_-]+)(?: ([^\]]*))?\]")
_STATUS = re.compile(rb"(\*|[A-Z]+\d+)[ \t]+(OK|NO|BAD|BYE|PREAUTH)\b[ \t]*(.*)", re.IGNORECASE | re.DOTALL)
_UNTAGGED = re.compile(rb"\*[ \t]+(\d+[ \t]+)?([A-Z-]+)(.*)", re.IGNORECASE | re.DOTALL)
# Longer texts come as literals; each step of a repeated group takes memory.
_QUOTED = rb'"((?:[^"\\]|\\.){0,10000})"'
_FOLDER = re.compile(rb'\(([^)]*)\) +(?:"\\?(.)"|NIL) +(?:' + _QUOTED + rb"|(.+))", re.IGNORECASE)
_NAMESPACE = re.compile(rb"\(" + _QUOTED + rb' +(?:"\\?(.)"|NIL)', re.IGNORECASE)
_COUNTS = re.compile(rb"(?:" + _QUOTED + rb'|([^\s()"]+))? *\(([^()]*)\)')
_COUNT = re.compile(rb"\b([A-Z]{1,20}) (\d{1,19})\b", re.IGNORECASE)
_FETCH_ITEM = re.compile(
    rb'\bUID +(?P<uid>[^\s()]+)|\bRFC822\.SIZE +(?P<size>\d{1,19})\b|\bINTERNALDATE +"(?P<received>[^"]*)"'
    rb"|(?P<body>\bBODY\[[^\[\]]*\](?:<\d+>)?) +(?:" + _QUOTED + rb"|NIL|~?\{\d+\+?\})"
    rb"|\bBODYSTRUCTURE +(?P<structure>(?=\())|\bFLAGS +\((?P<flags>[^()]*)\)"
    # A text that does not end takes the rest, so that it is not looked for again from each place in it.
    rb"|" + _QUOTED + rb'|~?\{\d+\+?\}|".*+\Z'
    # Anything else in pieces: no other thread runs while the next match is looked for.
    rb'|(?P<other>\w{1,10000}|[~{]|[^\w"~{]{1,10000})',
    re.IGNORECASE | re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
# RFC 9051, 9, knows 32 bits; some servers use more.
HIGHEST_UID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a command, OK, NO, BAD or BYE, and the data that imaplib returns for it.

    `command`: the verb that it answers, such as `UID FETCH`, if that is known.
    """

    status: str
    text: str
    data: Sequence[Piece] = ()
    command: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the server has done it."""
        return self.status == "OK"

    @property
    def is_whole(self) -> bool:
        """Whether the server has done it for all messages that were named (RFC 9738)."""
        return self.is_ok and self.code != "MESSAGELIMIT"

    @property
    def code(self) -> str:
        """The response code's name in upper case, or empty. It ends at the first `]` (RFC 9051, 7.1)."""
        match = _CODE.match(self.text)
        return match[1].upper() if match else ""

    @property
    def code_arguments(self) -> str:
        """What stands behind the name in the response code, or empty."""
        match = _CODE.match(self.text)
        return (match[2] or "") if match else ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One message of a FETCH reply; None for what it lacks or was not asked for. `size` in octets."""

    uid: int
    size: int | None = None
    received: datetime | None = None
    section: bytes | None = None
    has_attachments: bool | None = None
    flags: frozenset[str] | None = None

    def has_flag(self, flag: str) -> bool | None:
        """Tell whether it has a flag; None if the flags were not told. Letter case does not matter."""
        return None if self.flags is None else flag.lower() in {each.lower() for each in self.flags}


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """A folder of a LIST reply: its name as the server writes it, its attributes in lower case."""

    raw_name: bytes
    delimiter: str | None
    attributes: Sequence[str]

    @property
    def name(self) -> str:
        """The name as people write it."""
        return decode_name(self.raw_name)

    @property
    def is_selectable(self) -> bool:
        """Whether there may be messages in it."""
        return not {r"\noselect", r"\nonexistent"}.intersection(self.attributes)


def tolerated(line: bytes) -> bytes:
    """Return a line as imaplib can read it: letter case, blanks and a missing text mean nothing."""
    line = line.rstrip(b"\r\n")
    if status := _STATUS.fullmatch(line):
        line = b"%b %b %b" % (status[1].upper(), status[2].upper(), status[3])
    elif untagged := _UNTAGGED.fullmatch(line):
        number = untagged[1].strip() + b" " if untagged[1] else b""
        line = b"* %b%b%b" % (number, untagged[2].upper(), untagged[3])
    return line + b"\r\n"


def read_status(line: bytes) -> Reply | None:
    """Read the line that ends a command, or BYE; None for any other line."""
    match = _STATUS.fullmatch(line)
    if match is None or (match[1] == b"*" and match[2].upper() != b"BYE"):
        return None
    return Reply(match[2].decode().upper(), match[3].decode("utf-8", "replace").strip())


def header_fields(*names: str, octets: int = HEADER_FIELDS) -> str:
    """Return the FETCH item of these header fields, or of all, of which no more octets are wanted."""
    section = f"HEADER.FIELDS ({' '.join(names)})" if names else "HEADER"
    return f"BODY.PEEK[{section}]<0.{octets}>"


def read_fetched(pieces: Iterable[Piece]) -> Iterator[Fetched]:
    """Read the messages of FETCH replies, except unsolicited ones that contain only flags."""
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
    values: dict[str, bytes] = {}
    sections: list[bytes] = []
    structure = None
    remaining = iter(literals)
    for item in _FETCH_ITEM.finditer(text):
        if item.lastgroup == "other":
            continue
        literal = next(remaining, b"") if item[0].endswith(b"}") else None
        values |= {name: value for name, value in item.groupdict().items() if value is not None}
        if item["body"] and (literal is not None or item[5] is not None):
            sections.append(_ESCAPED.sub(rb"\1", item[5]) if literal is None else literal)
        elif item["structure"] is not None:
            structure = read_body_structure(
                text[item.end() :], literals[len(literals) - length_hint(remaining) :]
            )
    if len(sections) > 1:  # some servers send each header field in a separate section
        sections = [b"".join(section.rstrip(b"\r\n") + b"\r\n" for section in sections)]
    if not values.keys() - {"uid", "flags"}:
        return None
    return Fetched(
        _number(values.get("uid", b"")),
        size=int(values["size"]) if "size" in values else None,
        received=read_date(values.get("received", b"")),
        section=sections[0] if sections else None,
        has_attachments=has_attachments(structure) if structure else None,
        flags=frozenset(values["flags"].decode("latin_1").split()) if "flags" in values else None,
    )


def read_folders(pieces: Iterable[Piece]) -> Iterator[ListedFolder]:
    """Read LIST replies."""
    for piece in pieces:
        text, literal = piece if isinstance(piece, tuple) else (piece, None)
        if match := _FOLDER.match(text):
            attributes, delimiter, quoted, atom = match.groups()
            name = _ESCAPED.sub(rb"\1", quoted) if quoted is not None else atom.strip()
            yield ListedFolder(
                literal or name,
                delimiter.decode("latin-1") if delimiter else None,
                attributes.decode("latin-1").lower().split(),
            )


def read_counts(pieces: Iterable[Piece]) -> Iterator[tuple[bytes, dict[str, int]]]:
    """Read STATUS replies: a folder's name as the server writes it, and its numbers by their names."""
    literal = None
    for piece in pieces:
        if isinstance(piece, tuple):  # the name is a literal, and the numbers follow it
            literal = piece[1]
        elif match := _COUNTS.match(piece):
            quoted, atom, items = match.groups()
            name = _ESCAPED.sub(rb"\1", quoted) if quoted is not None else atom or b""
            counts = {key.decode().upper(): int(value) for key, value in _COUNT.findall(items)}
            yield literal or name, counts
            literal = None


def decode_name(raw: bytes) -> str:
    """Return the folder name that modified UTF-7 or UTF-8 stands for; another one as it stands."""
    with suppress(ValueError):
        return utf7_decode(raw) if raw.isascii() else raw.decode("utf-8")
    return raw.decode("latin-1")


def read_namespaces(pieces: Iterable[Piece]) -> list[tuple[str, str | None]]:
    """Read prefixes and delimiters from a NAMESPACE reply (RFC 2342): personal, other users', shared."""
    found = _NAMESPACE.findall(b" ".join(piece for piece in pieces if isinstance(piece, bytes)))
    return [(decode_name(prefix), delimiter.decode("latin-1") or None) for prefix, delimiter in found]


def read_copy_uid(lines: Sequence[bytes]) -> int | None:
    """Read which UID one message has got from `<uidvalidity> <source> <target>` (COPYUID, RFC 4315)."""
    words = lines[-1].split() if lines else []
    with suppress(ValueError, IndexError):
        return _number(words[2])
    return None


def read_numbers(pieces: Iterable[Piece], most: int) -> array[int]:
    """Read the numbers of SEARCH or SORT replies; ValueError for more of them than there can be."""
    numbers = array("Q")
    for line in (piece for piece in pieces if isinstance(piece, bytes)):
        # What follows in parentheses is no number (RFC 7162, 3.1.5: MODSEQ).
        for word in re.finditer(rb"\d+", line.partition(b"(")[0]):
            numbers.append(_number(word[0]))
            if len(numbers) > most:
                raise ValueError(f"more than {most} messages")
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
    number = int(text) if text.isdigit() and len(text) <= len(str(HIGHEST_UID)) else 0
    if not 1 <= number <= HIGHEST_UID:
        raise ValueError(f"{text[:20]!r} is no UID")
    return number
