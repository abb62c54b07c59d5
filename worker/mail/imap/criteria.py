"""Search criteria by imap_tools' query builder, and what of them goes as literals. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from imap_tools import AND, OR

from worker.models.search import Condition, Criterion, Group, SearchField, SearchOperator

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_KEY: dict[SearchField, Callable[[str], AND]] = {
    SearchField.FROM: lambda value: AND(from_=value),
    SearchField.SUBJECT: lambda value: AND(subject=value),
    SearchField.BODY: lambda value: AND(body=value),
}
# RFC 2683, 3.2.1.5: longer strings go as literals, so that lines stay short.
_LONGEST_QUOTED = 1000


def to_query(criterion: Criterion | None) -> str:
    """Return criteria as search keys (RFC 9051, 6.4.4); None finds all."""
    if criterion is None:
        return "ALL"
    if isinstance(criterion, Condition):
        return str(_KEY[criterion.field](criterion.value))
    members = [to_query(member) for member in criterion.criteria]
    if criterion.operator is SearchOperator.AND:
        return str(AND(*members))
    while len(members) > 1:  # in pairs, so that nesting grows with the logarithm
        members = [str(OR(*members[start : start + 2])) for start in range(0, len(members), 2)]
    return members[0]


def ascii_part(criterion: Criterion) -> Criterion | None:
    """Return what all matches of a criterion meet and is plain ASCII; None if that is nothing."""
    if isinstance(criterion, Condition):
        return criterion if criterion.value.isascii() else None
    parts = [ascii_part(member) for member in criterion.criteria]
    kept = tuple(part for part in parts if part is not None)
    is_lost = not kept or (criterion.operator is SearchOperator.OR and len(kept) < len(parts))
    return None if is_lost else Group(criterion.operator, kept)


def with_literals(query: str, charset: str) -> list[bytes]:
    """Return a query as what is sent at once: what no quoted string may hold (RFC 3501, 9) goes as a literal.

    Raises UnicodeEncodeError or LookupError if the charset cannot say it.
    """
    chunks = [""]
    end = 0
    for match in _QUOTED.finditer(query):
        if not (match[0].isascii() and match[0].isprintable() and len(match[0]) <= _LONGEST_QUOTED):
            text = _ESCAPED.sub(r"\1", match[1])
            chunks[-1] += f"{query[end : match.start()]}{{{len(text.encode(charset))}}}"
            chunks.append(text)
            end = match.end()
    chunks[-1] += query[end:]
    return [chunk.encode(charset) for chunk in chunks]
