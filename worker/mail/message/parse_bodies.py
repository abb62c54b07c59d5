"""Which parts of a message are its text: the plain body, the HTML body, and what a search looks at."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from worker.mail.message.parse_charsets import decode_text, to_json_text
from worker.mail.message.parse_encodings import decode_transfer_encoding, pieces
from worker.mail.message.parse_labels import find_codec
from worker.mail.message.parse_structure import Part, Structure

_META_CHARSET = re.compile(
    rb"<(?:meta\s[^>]{0,200}?charset|\?xml\s[^>]{0,200}?encoding)\s{0,9}=\s{0,9}[\"']?([\w-]{1,40})",
    re.IGNORECASE,
)
_META_WITHIN = 1024
# RFC 3464, RFC 8098, RFC 6533.
_REPORTS = frozenset(
    f"message/{kind}"
    for kind in (
        "delivery-status",
        "disposition-notification",
        "global-delivery-status",
        "global-disposition-notification",
    )
)
# Octets of either body that are decoded. Camunda accepts a quarter of that, and text may take ten times
# its octets in memory while it is decoded.
_MOST_TEXT_BYTES = 16 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bodies:
    """The text of a message, with line feeds as line ends; None where it has none of the kind.

    `is_cut`: one of them is longer than what is decoded of it.
    """

    plain: str | None
    html: str | None
    is_cut: bool


@dataclass(slots=True)
class _Candidates:
    """Parts by kind, last one first: the walk goes backwards, so that children come before parents."""

    parts: dict[str, list[Part]] = field(default_factory=dict)
    is_settled: bool = False


def read_bodies(raw: bytes, structure: Structure) -> Bodies:
    """Return the bodies that a mail client would show (RFC 2046, 5.1; RFC 2387; RFC 2183).

    Of alternatives the last of each kind counts, of related parts the root, of others all in their
    order. Attachments and attached messages are not text. Text of another subtype is shown as plain
    where there is neither plain text nor HTML (RFC 2046, 4.1.4), text with a file name where there is no
    other (RFC 2183, 2.1).
    """
    plain, html = _find_shown(structure)
    are_whole = all(_text_bytes(parts) <= _MOST_TEXT_BYTES for parts in (plain, html))
    return Bodies(_join(raw, plain), _join(raw, html), is_cut=not are_whole)


def searchable_texts_of(raw: bytes, structure: Structure) -> Iterator[str]:
    """Decode all text parts in pieces of whole lines, those of attached messages and attachments too.

    A report's part about the delivery is text too: it names the address that the email did not reach.
    """
    for part in structure.parts:
        if _is_text(part) or part.content_type in _REPORTS:
            data = decode_transfer_encoding(raw[part.start : part.end], part.encoding)
            charset = _charset_of(part, data)
            for piece in pieces(data, _PIECE_BYTES) if b"\0" not in data else (data,):
                yield _to_text(piece, charset)


def shown_parts(structure: Structure) -> frozenset[Part]:
    """Return the parts that are text rather than files: those shown, and what they are alternatives of."""
    return frozenset(filter(_is_alternative, structure.parts)).union(*_find_shown(structure))


def _is_alternative(part: Part) -> bool:
    """Tell whether a part says the same as one that is shown; an invitation says more than its text."""
    is_one_of_several = part.parent is not None and part.parent.content_type == "multipart/alternative"
    return is_one_of_several and _is_body(part) and part.content_type != "text/calendar"


def _find_shown(structure: Structure) -> tuple[list[Part], list[Part]]:
    """Return the parts shown as plain text and as HTML, last one first."""
    for is_wanted in (_is_body, _is_shown_file):
        found = _find_candidates(structure.parts, is_wanted)
        html = found.get("html", [])
        plain = found.get("plain") or ([] if html else found.get("other", []))
        if plain or html:
            return plain, html
    return [], []


def _find_candidates(parts: list[Part], is_wanted: Callable[[Part], bool]) -> dict[str, list[Part]]:
    by_part: defaultdict[Part | None, _Candidates] = defaultdict(_Candidates)
    for part in reversed(parts):
        own = by_part.pop(part, _Candidates())
        if part.is_message:
            continue
        if is_wanted(part):
            own.parts.setdefault(_kind(part), []).append(part)
        _give_to_parent(part, own, by_part[part.parent])
    return by_part[None].parts


def _kind(part: Part) -> str:
    if part.content_type == "text/html":
        return "html"
    return "plain" if part.content_type == "text/plain" or part.is_multipart else "other"


def _give_to_parent(part: Part, own: _Candidates, target: _Candidates) -> None:
    container = part.parent.content_type if part.parent else ""
    if container == "multipart/alternative":
        target.parts = own.parts | target.parts
    elif not target.is_settled:
        if container == "multipart/related" and _is_root(part) and own.parts.keys() & {"plain", "html"}:
            target.parts = {}
            target.is_settled = True
        for kind, parts in own.parts.items():
            target.parts.setdefault(kind, []).extend(parts)


def _is_root(part: Part) -> bool:
    start = part.parent.parameters.get("start") if part.parent else None
    return part.content_id.decode("latin_1").strip("<>") == start.strip("<>") if start else part.index == 0


def _is_text(part: Part) -> bool:
    """Whether the part contains text; a multipart in which no part was found is read as text too."""
    return part.content_type.startswith("text/") or (part.is_multipart and part.child_count == 0)


def _is_body(part: Part) -> bool:
    """Whether the part is text to be shown, if a mail client shows the part that it stands in."""
    return _is_text(part) and not _is_attachment(part)


def _is_shown_file(part: Part) -> bool:
    """Whether the part is text to be shown where no other is: a file that is not to be saved alone."""
    return _is_text(part) and part.disposition != "attachment"


def _is_attachment(part: Part) -> bool:
    """Whether the part is a file rather than text to be shown.

    A file name says so too, and an unknown disposition (RFC 2183, 2.8), but only of one part among
    several: the whole message and an alternative are there to be read.
    """
    if part.disposition == "attachment":
        return True
    if part.parent is None or part.parent.content_type == "multipart/alternative":
        return False
    return part.file_name is not None or part.disposition not in ("", "inline")


def _text_bytes(parts: list[Part]) -> int:
    return sum(part.end - part.start for part in parts)


def _join(raw: bytes, last_first: list[Part]) -> str | None:
    if not last_first:
        return None
    bytes_left = _MOST_TEXT_BYTES
    texts = []
    for part in reversed(last_first):
        texts.append(_decode(raw, part, _end_within(raw, part, bytes_left)))
        bytes_left = max(0, bytes_left - (part.end - part.start))
    ended = [text if text.endswith("\n") else text + "\n" for text in texts[:-1]]
    return "".join([*ended, texts[-1]])


def _end_within(raw: bytes, part: Part, bytes_left: int) -> int:
    """Return the end of a part, or of its last line that ends within these bytes: no character is cut."""
    end = part.start + bytes_left
    return part.end if part.end <= end else raw.rfind(b"\n", part.start, end) + 1 or end


def _decode(raw: bytes, part: Part, end: int) -> str:
    data = decode_transfer_encoding(raw[part.start : end], part.encoding)
    return _to_text(data, _charset_of(part, data))


def _charset_of(part: Part, data: bytes) -> str | None:
    """Return the label of a part, or the one that HTML names itself; UTF-16 there means UTF-8."""
    charset = part.parameters.get("charset")
    if part.content_type == "text/html" and find_codec(charset or "") in (None, "ascii"):
        meta = _META_CHARSET.search(data, 0, _META_WITHIN)
        named = meta[1].decode("ascii") if meta else None
        return "utf-8" if named and (find_codec(named) or "").startswith(("utf_16", "utf_32")) else named
    return charset


def _to_text(data: bytes, charset: str | None) -> str:
    # Some servers write CRLF for a line feed that had its carriage return already.
    text = decode_text(data, charset).replace("\r\r\n", "\n")
    return to_json_text(text.replace("\r\n", "\n"))
