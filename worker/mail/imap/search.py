"""Search criteria as IMAP search keys (RFC 9051, 6.4.4), and texts as IMAP strings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from worker.mail.imap.client import quote
from worker.models.search import Condition, Criterion, SearchField, SearchOperator

# RFC 2683, 3.2.1.5: longer strings go as literals, so that lines stay short.
_LONGEST_QUOTED = 1000


class Literal(bytes):
    """Octets that are announced by their number and sent when the server asks for them."""

    __slots__ = ()


Part = bytes | Literal


def search_keys(
    criterion: Criterion | None, charset: str = "UTF-8", *, is_from_a_header: bool = False
) -> list[Part]:
    """Return criteria as search keys; None finds all.

    `is_from_a_header`: look for senders in the header field as it stands, not by FROM. Raises
    UnicodeEncodeError where the charset lacks a character of a value.
    """
    if criterion is None:
        return [b"ALL"]
    if isinstance(criterion, Condition):
        is_from = criterion.field is SearchField.FROM and is_from_a_header
        key = b"HEADER From" if is_from else criterion.field.value.encode()
        return [key, astring(criterion.value, charset)]
    members = [
        search_keys(member, charset, is_from_a_header=is_from_a_header) for member in criterion.criteria
    ]
    return _any_of(members) if criterion.operator is SearchOperator.OR else _all_of(members)


def conditions_of(criterion: Criterion | None) -> Iterator[Condition]:
    """Yield the conditions of a tree, left to right."""
    if isinstance(criterion, Condition):
        yield criterion
    elif criterion is not None:
        for member in criterion.criteria:
            yield from conditions_of(member)


def astring(text: str, charset: str = "UTF-8") -> Part:
    """Return a text as a quoted string, or as a literal where it is long or not printable ASCII.

    Later versions of imaplib take no control character in the line of a command.
    """
    if text.isascii() and text.isprintable() and len(text) <= _LONGEST_QUOTED:
        return quote(text).encode("ascii")
    return Literal(text.encode(charset))


def command_chunks(parts: Iterable[Part]) -> list[bytes]:
    """Return a command as what is sent at once: a chunk ends where a literal is announced."""
    chunks = [b""]
    for part in parts:
        if chunks[-1] and not chunks[-1].endswith(b"(") and part != b")":
            chunks[-1] += b" "
        if isinstance(part, Literal):
            chunks[-1] += b"{%d}" % len(part)
            chunks.append(bytes(part))
        else:
            chunks[-1] += part
    return chunks


def _all_of(members: Sequence[list[Part]]) -> list[Part]:
    if len(members) == 1:
        return members[0]
    return [b"(", *(part for member in members for part in member), b")"]


def _any_of(members: Sequence[list[Part]]) -> list[Part]:
    """OR takes two keys: join neighbours again and again, so that nesting grows with the logarithm."""
    joined = list(members)
    while len(joined) > 1:
        pairs: list[list[Part]] = [
            [b"OR", *one, *other] for one, other in zip(joined[::2], joined[1::2], strict=False)
        ]
        joined = pairs + joined[len(pairs) * 2 :]
    return joined[0]
