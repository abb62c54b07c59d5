"""Search criteria as IMAP search keys (RFC 9051, 6.4.4), and texts as IMAP strings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from worker.mail.imap_client import quote
from worker.models.search import Condition, Criterion, SearchOperator

# RFC 2683, 3.2.1.5: longer strings go as literals, so that lines stay short.
_LONGEST_QUOTED = 1000


class Literal(bytes):
    """Octets that are announced by their number and sent when the server asks for them."""

    __slots__ = ()


Part = bytes | Literal


def search_keys(criterion: Criterion | None, charset: str = "UTF-8") -> list[Part]:
    """Return criteria as search keys; None finds all.

    Raises UnicodeEncodeError where the charset lacks a character of a value.
    """
    if criterion is None:
        return [b"ALL"]
    if isinstance(criterion, Condition):
        return [criterion.field.value.encode(), astring(criterion.value, charset)]
    members = [search_keys(member, charset) for member in criterion.criteria]
    if criterion.operator is SearchOperator.OR:
        return _any_of(members)
    return _all_of(members)


def is_ascii(criterion: Criterion | None) -> bool:
    """Tell whether no charset needs to be named."""
    if criterion is None:
        return True
    if isinstance(criterion, Condition):
        return criterion.value.isascii()
    return all(is_ascii(member) for member in criterion.criteria)


def astring(text: str, charset: str = "UTF-8") -> Part:
    """Return a text as a quoted string, or as a literal where it is long or not ASCII."""
    if text.isascii() and len(text) <= _LONGEST_QUOTED:
        return quote(text).encode("ascii")
    return Literal(text.encode(charset))


def command_chunks(parts: Iterable[Part]) -> list[bytes]:
    """Return a command as what is sent at once: a chunk ends where a literal is announced."""
    chunks = [b""]
    for part in parts:
        if chunks[-1] and not chunks[-1].endswith(b"("):
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
