"""Encoded words in header fields (RFC 2047), also where senders break the rules.

The standard library's decoder loses characters that are split between two words, does not see words
inside quotes or next to other text, and needs 10 s for a hostile subject of 100 kB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from worker.mail.message.parse_charsets import decode_text, is_valid, to_json_text
from worker.mail.message.parse_encodings import decode_base64, decode_q

_LINE_BREAKS = re.compile(r"[\r\n]+")
_TOKEN = re.compile(rb"=\?([^?]{1,64})\?([bBqQ])\?|\?=")


@dataclass(frozen=True, slots=True)
class _Word:
    charset: str
    encoding: bytes
    text: bytes

    def decode(self) -> bytes:
        return decode_base64(self.text) if self.encoding == b"B" else decode_q(self.text)


def decode_words(value: bytes, charset: str | None = None) -> str:
    """Return a header value as one line: encoded words decoded, 8-bit text read as `decode_text` does."""
    if value.isascii() and b"=?" not in value and b"\x1b" not in value:  # nearly all fields: not worth a walk
        return to_json_text(value.decode("ascii").strip())
    texts: list[str] = []
    run: list[_Word] = []
    for segment in chain(_split(value), [b""]):  # the empty text ends the last run
        if isinstance(segment, bytes) and segment.isspace() and run:
            continue  # blanks between two words are not text
        if run and not (isinstance(segment, _Word) and segment.charset == run[0].charset):
            texts.append(_decode_run(run))
            run = []
        if isinstance(segment, _Word):
            run.append(segment)
        else:
            texts.append(decode_text(segment, charset))
    return _LINE_BREAKS.sub(" ", to_json_text("".join(texts))).strip()


def _split(value: bytes) -> Iterator[bytes | _Word]:
    position = 0
    opening: re.Match[bytes] | None = None
    for token in _TOKEN.finditer(value):
        if token[1]:
            opening = token
        elif opening:
            if position < opening.start():
                yield value[position : opening.start()]
            charset = opening[1].decode("latin_1").partition("*")[0].strip().lower()
            yield _Word(charset, opening[2].upper(), value[opening.end() : token.start()])
            position, opening = token.end(), None
    if position < len(value):
        yield value[position:]


def _decode_run(run: list[_Word]) -> str:
    """Decode neighbours of one charset together: a character may be split between them."""
    charset = run[0].charset
    data = b"".join(word.decode() for word in run)
    if len(run) > 1 and not is_valid(data, charset) and all(word.encoding == b"B" for word in run):
        # Some senders encode first and cut then, in the middle of a group of four digits.
        joined = decode_base64(b"".join(word.text for word in run))
        if is_valid(joined, charset):
            data = joined
    return decode_text(data, charset)
