"""What an IMAP server's replies say, from the pieces that imaplib hands over (RFC 9051, 7). Pure."""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imap_tools.imap_utf7 import utf7_decode

from worker.mail.imap.body_structure import read_body_structure
from worker.mail.imap.limits import HEADER_FIELDS
from worker.mail.imap.lists import Piece, Token, read_lines, read_list, read_pairs
from worker.mail.message.parse_attachments import has_attachments
from worker.mail.message.parse_dates import read_date
from worker.models.bounds import FOLDER_CHARACTERS

_CODE = re.compile(r"\[([A-Za-z0-9/_-]+)(?: ([^\]]*))?\]")
_STATUS = re.compile(rb"(\*|[A-Z]+\d+)[ \t]+(OK|NO|BAD|BYE|PREAUTH)\b[ \t]*(.*)", re.IGNORECASE | re.DOTALL)
_UNTAGGED = re.compile(rb"\*[ \t]+(\d+[ \t]+)?([A-Z-]+)(.*)", re.IGNORECASE | re.DOTALL)
# What RFC 3501 also calls them, and with the PEEK of the command, which some servers repeat.
_SECTIONS = ("BODY[", "BODY.PEEK[", "RFC822.HEADER", "RFC822.TEXT")
# RFC 9051, 9, knows 32 bits; some servers use more.
HIGHEST_UID = 2**63 - 1


class UnreadableReply(Exception):
    """A reply is not what the protocol allows."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a command, OK, NO, BAD or BYE, and the data that imaplib returns for it.

    `command`: the verb that it answers, such as `UID FETCH`; `doing`: what it was for, if that is known.
    """

    status: str
    text: str
    data: Sequence[Piece] = ()
    command: str = ""
    doing: str = ""

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


def tolerated(line: bytes) -> tuple[bytes, Reply | None]:
    """Return a line as imaplib can read it: letter case, blanks and a missing text mean nothing.

    With it, what it says if it ends a command or the session.
    """
    line, end = line.rstrip(b"\r\n"), None
    if status := _STATUS.fullmatch(line):
        tag, kind, text = status[1].upper(), status[2].upper(), status[3]
        line = b"%b %b %b" % (tag, kind, text)
        if tag != b"*" or kind == b"BYE":
            end = Reply(kind.decode(), text.decode("utf-8", "replace").strip())
    elif untagged := _UNTAGGED.fullmatch(line):
        number = untagged[1].strip() + b" " if untagged[1] else b""
        line = b"* %b%b%b" % (number, untagged[2].upper(), untagged[3])
        if line.startswith(b"* CAPABILITY"):  # imaplib does not know IMAP4rev2 (RFC 9051) without IMAP4
            line = re.sub(rb"\bIMAP4REV2\b", rb"IMAP4 \g<0>", line, flags=re.IGNORECASE)
    return line + b"\r\n", end


def header_fields(*names: str, octets: int = HEADER_FIELDS) -> str:
    """Return the FETCH item of these header fields, or of all, of which no more octets are wanted."""
    section = f"HEADER.FIELDS ({' '.join(names)})" if names else "HEADER"
    return f"BODY.PEEK[{section}]<0.{octets}>"


def read_fetched(pieces: Iterable[Piece]) -> Iterator[Fetched]:
    """Read the messages of FETCH replies, except unsolicited ones that contain only flags.

    What several replies tell of one message is put together (RFC 9051, 7.5.2).
    """
    messages: dict[int, dict[str, Any]] = {}
    for tokens in read_lines(pieces):
        items, sections = _read_items(tokens)
        if not items.keys() - {"UID", "FLAGS"}:
            continue
        structure = items.get("BODYSTRUCTURE") and read_body_structure(items["BODYSTRUCTURE"])
        if len(sections) > 1:  # some servers send each header field in a separate section
            sections = [b"".join(section.rstrip(b"\r\n") + b"\r\n" for section in sections)]
        told = {
            "size": _count(items.get("RFC822.SIZE")),
            "received": read_date(_octets(items.get("INTERNALDATE", ""))),
            "section": sections[0] if sections else None,
            "has_attachments": has_attachments(structure) if structure else None,
            "flags": None if items.get("FLAGS") is None else frozenset(map(str, items["FLAGS"])),
        }
        known = messages.setdefault(_read_uid(items.get("UID", "")), {})
        known.update((name, value) for name, value in told.items() if value is not None)
    for uid, known in messages.items():
        yield Fetched(uid, **known)


def _read_items(tokens: Iterator[Token]) -> tuple[dict[str, Any], list[bytes]]:
    """Return the items of one message by their names, and the sections of its text."""
    items: dict[str, Any] = {}
    sections: list[bytes] = []
    while (token := next(tokens, None)) is not None:
        name = token.upper() if isinstance(token, str) else ""
        if name in {"UID", "RFC822.SIZE", "INTERNALDATE"}:
            items[name] = next(tokens, "")
        elif name.startswith(_SECTIONS) or name == "RFC822":
            items[name] = section = next(tokens, "")
            sections += [section] if isinstance(section, bytes) else []
        elif name in {"BODYSTRUCTURE", "FLAGS"} and name not in items:
            # A list that does not end must not take what follows it.
            ahead, tokens = itertools.tee(tokens)
            items[name] = read_list(ahead)
            del ahead  # it would keep all words that follow
    return items, sections


def read_folders(pieces: Iterable[Piece]) -> Iterator[ListedFolder]:
    """Read LIST replies."""
    for tokens in read_lines(pieces):
        attributes, delimiter, name = read_list(tokens), next(tokens, ""), next(tokens, "")
        if isinstance(name, str):  # some servers forget the quotes round a name with blanks
            name = _joined([name, *_few(tokens)])
        if attributes is not None and name:
            separator = delimiter.decode("latin_1") if isinstance(delimiter, bytes) else None
            yield ListedFolder(name, separator or None, [str(each).lower() for each in attributes])


def read_counts(pieces: Iterable[Piece]) -> Iterator[tuple[bytes, dict[str, int]]]:
    """Read STATUS replies: a folder's name as the server writes it, and its numbers by their names."""
    for tokens in read_lines(pieces):
        # Some servers forget the quotes round a name with blanks here too.
        name = _joined(itertools.takewhile(lambda word: word != "(", _few(tokens)))
        pairs = read_pairs(read_list(itertools.chain("(", tokens)))
        counts = {key.upper(): _count(value) for key, value in pairs.items()}
        yield name, {key: count for key, count in counts.items() if count is not None}


def _few(tokens: Iterator[Token]) -> Iterator[Token]:
    """Return the words that a name may have: each takes more memory than the octet that it may be."""
    return itertools.islice(tokens, FOLDER_CHARACTERS)


def _joined(words: Iterable[Token]) -> bytes:
    return b" ".join(map(_octets, words))


def _octets(token: Token) -> bytes:
    return token if isinstance(token, bytes) else token.encode("latin_1")


def _readable(token: Token) -> str:
    return _octets(token).decode("utf-8", "replace")


def decode_name(raw: bytes) -> str:
    """Return the folder name that modified UTF-7 or UTF-8 stands for; another one as it stands."""
    with suppress(ValueError):
        return utf7_decode(raw) if raw.isascii() else raw.decode("utf-8")
    return raw.decode("latin-1")


def read_namespaces(pieces: Iterable[Piece]) -> list[tuple[str, str | None]]:
    """Read prefixes and delimiters from a NAMESPACE reply (RFC 2342): personal, other users', shared."""
    found = []
    for tokens in read_lines(pieces):
        kinds = read_list(itertools.chain("(", tokens, ")")) or []
        for namespace in itertools.chain.from_iterable(kind for kind in kinds if isinstance(kind, list)):
            match namespace:
                case [str(prefix), str() | None as delimiter, *_]:
                    found.append((decode_name(prefix.encode("latin_1")), delimiter or None))
    return found


def read_copy_uid(lines: Sequence[bytes]) -> int | None:
    """Read which UID one message has got from `<uidvalidity> <source> <target>` (COPYUID, RFC 4315)."""
    words = lines[-1].split() if lines else []
    with suppress(UnreadableReply, IndexError):
        return _read_uid(words[2])
    return None


def read_numbers(pieces: Iterable[Piece], most: int) -> array[int]:
    """Read the numbers of SEARCH or SORT replies, which cannot be more than `most`."""
    numbers = array("Q")
    for line in (piece for piece in pieces if isinstance(piece, bytes)):
        # What follows in parentheses is no number (RFC 7162, 3.1.5: MODSEQ).
        for word in re.finditer(rb"\d+", line.partition(b"(")[0]):
            numbers.append(_read_uid(word[0]))
            if len(numbers) > most:
                raise UnreadableReply(f"more than {most} messages")
    return numbers


def read_found(lines: Iterable[bytes], most: int) -> array[int]:
    """Read the numbers of ESEARCH replies, `(TAG "A1") UID ALL 1:3,7`, which cannot be more than `most`.

    A server that knows only IMAP4rev2 sends these (RFC 9051, 7.3.4).
    """
    numbers = array("Q")
    for line in lines:
        sets = re.search(rb" ALL ([\d:,]+)", line, re.IGNORECASE)
        for part in sets[1].split(b",") if sets else ():
            first, *last = map(_read_uid, part.split(b":"))
            ends = sorted([first, *last])
            if len(numbers) + ends[-1] - ends[0] >= most:
                raise UnreadableReply(f"more than {most} messages")
            numbers.extend(range(ends[0], ends[-1] + 1))
    return numbers


def read_number(text: Token) -> int:
    """Read a number of the protocol."""
    number = _count(text.strip())
    if number is None:
        raise UnreadableReply(f"no number: {_readable(text)}")
    return number


def format_set(numbers: Iterable[int]) -> str:
    """Return numbers as the shortest sequence set, `1:3,7`."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}:{last}" for first, last in ranges)


def _read_uid(text: Token) -> int:
    number = _count(text) or 0
    if not 1 <= number <= HIGHEST_UID:
        raise UnreadableReply(f"no UID: {_readable(text)}")
    return number


def _count(text: Any) -> int | None:
    is_number = isinstance(text, Token) and text.isascii() and text.isdigit()
    return int(text) if is_number and len(text) <= len(str(HIGHEST_UID)) else None
