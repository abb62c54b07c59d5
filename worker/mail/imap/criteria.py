"""Search criteria by imap_tools' query builder, and what of them goes as literals. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imap_tools import AND, NOT, OR, H

from worker.models.search import Condition, Criterion, SearchField, SearchOperator

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_KEY: dict[SearchField, Callable[[Any], AND]] = {
    SearchField.FROM: lambda value: AND(from_=value),
    SearchField.TO: lambda value: AND(to=value),
    SearchField.CC: lambda value: AND(cc=value),
    SearchField.BCC: lambda value: AND(bcc=value),
    SearchField.SUBJECT: lambda value: AND(subject=value),
    SearchField.BODY: lambda value: AND(body=value),
    SearchField.SINCE: lambda value: AND(date_gte=value),
    SearchField.BEFORE: lambda value: AND(date_lt=value),
    SearchField.ON: lambda value: AND(date=value),
    SearchField.SENTSINCE: lambda value: AND(sent_date_gte=value),
    SearchField.SENTBEFORE: lambda value: AND(sent_date_lt=value),
    SearchField.SENTON: lambda value: AND(sent_date=value),
    SearchField.SEEN: lambda value: AND(seen=value),
    SearchField.FLAGGED: lambda value: AND(flagged=value),
    SearchField.ANSWERED: lambda value: AND(answered=value),
    SearchField.LARGER: lambda value: AND(size_gt=value),
    SearchField.SMALLER: lambda value: AND(size_lt=value),
}
_ADDRESSES = {
    SearchField.FROM: "From",
    SearchField.TO: "To",
    SearchField.CC: "Cc",
    SearchField.BCC: "Bcc",
}
# RFC 2683, 3.2.1.5: longer strings go as literals, so that lines stay short.
_LONGEST_QUOTED = 1000


@dataclass(frozen=True, slots=True)
class Reading:
    """How criteria become search keys.

    `has_headers`: addresses are looked for in their header fields as they stand, not by FROM and the like.
    `has_attachments`: what to take for true of every message, as no key tells.
    """

    has_headers: bool = False
    has_attachments: bool = True


def to_query(criterion: Criterion | None, reading: Reading = Reading()) -> str:
    """Return criteria as search keys (RFC 9051, 6.4.4); None finds all."""
    if criterion is None:
        return "ALL"
    if isinstance(criterion, Condition):
        return _key(criterion, reading)
    members = [to_query(member, reading) for member in criterion.criteria]
    if criterion.operator is SearchOperator.NOT:
        return str(NOT(*members))
    if criterion.operator is SearchOperator.AND:
        return str(AND(*members))
    while len(members) > 1:  # in pairs, so that nesting grows with the logarithm
        members = [str(OR(*members[start : start + 2])) for start in range(0, len(members), 2)]
    return members[0]


def _key(condition: Condition, reading: Reading) -> str:
    if condition.field is SearchField.ATTACHMENT:
        return "ALL" if condition.value is reading.has_attachments else "NOT ALL"
    if condition.field is SearchField.HEADER:
        return str(AND(header=H(condition.header, condition.text)))
    if reading.has_headers and condition.field in _ADDRESSES:
        return str(AND(header=H(_ADDRESSES[condition.field], condition.text)))
    return str(_KEY[condition.field](condition.value))


def with_literals(query: str, charset: str) -> list[bytes]:
    """Return the pieces of a query to send: text not allowed in quotes (RFC 3501, 9) becomes a literal.

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
