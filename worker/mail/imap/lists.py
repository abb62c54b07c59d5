"""The words and parenthesised lists of which IMAP servers make their replies (RFC 9051, 4). Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

# A line without a literal, or (what stands before a literal, the literal); the rest of its line follows.
Piece = bytes | tuple[bytes, bytes]
# A bracket or another word as str; the text in quotes or in a literal as bytes.
Token = str | bytes

# A text that is not closed ends with the line: so no part of it is read twice. A quote before anything but
# a blank or a bracket ends none: Coremail does not escape those in file names. Longer texts, words and
# blanks come in pieces: no other thread runs while the next token is looked for.
_TOKEN = re.compile(
    rb'"(?P<quoted>(?:[^"\\]|\\.|"[^\s()"]){0,10000}+)(?:"|\\?\Z)?|(?P<literal>~?\{\d+\+?\})|[()]'
    rb'|BODY(?:\.PEEK)?\[[^\[\]]*\](?:<\d+>)?|[^\s()"]{1,10000}|\s{2,10000}',
    re.IGNORECASE | re.DOTALL,
)
# Nothing else may be escaped (RFC 9051, 9): some servers send a backslash as it is, such as a delimiter.
_ESCAPED = re.compile(rb"\\([\"\\])")
# A message of 10,000 parts needs half of them. Each takes some 50 octets in memory.
_MOST_WORDS = 500_000


def read_lines(pieces: Iterable[Piece]) -> Iterator[Iterator[Token]]:
    """Yield the tokens of each reply."""
    heads: list[bytes] = []
    literals: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, tuple):
            heads.append(piece[0])
            literals.append(piece[1])
        else:
            yield _read_tokens(b" ".join([*heads, piece]), iter(literals))
            heads, literals = [], []


def _read_tokens(line: bytes, literals: Iterator[bytes]) -> Iterator[Token]:
    for match in _TOKEN.finditer(line):
        if match["quoted"] is not None:
            yield _ESCAPED.sub(rb"\1", match["quoted"])
        elif match["literal"]:
            yield next(literals, b"")
        elif not match[0].isspace():
            yield match[0].decode("latin_1")


def read_list(tokens: Iterator[Token]) -> list[Any] | None:
    """Read the list that begins with the next token; None if that begins none, or it does not end.

    A list has texts, latin_1 for octets, None for NIL, and further lists.
    """
    if next(tokens, None) != "(":
        return None
    open_lists: list[list[Any]] = [[]]
    for word in itertools.islice(tokens, _MOST_WORDS):
        if word == "(":
            inner: list[Any] = []
            open_lists[-1].append(inner)
            open_lists.append(inner)
        elif word == ")":
            closed = open_lists.pop()
            if not open_lists:
                return closed
        elif isinstance(word, bytes):
            open_lists[-1].append(word.decode("latin_1"))
        else:
            open_lists[-1].append(None if word.upper() == "NIL" else word)
    return None


def read_pairs(words: Sequence[Any] | None) -> dict[str, Any]:
    """Return names, in lower case, with the value behind each."""
    flat = words or ()
    return {str(name).lower(): value for name, value in zip(flat[::2], flat[1::2], strict=False)}
