"""Search criteria as search keys, and what of them goes as literals. Pure."""

from __future__ import annotations

import re
from typing import Any

from imap_tools import AND, H

from worker.models.search import Condition, Criterion, Group, SearchField, SearchOperator, conditions_of

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
# As `AND` names those that it does not name as they are.
_KEY = {
    SearchField.FROM: "from_",
    SearchField.SINCE: "date_gte",
    SearchField.BEFORE: "date_lt",
    SearchField.ON: "date",
    SearchField.SENTSINCE: "sent_date_gte",
    SearchField.SENTBEFORE: "sent_date_lt",
    SearchField.SENTON: "sent_date",
    SearchField.LARGER: "size_gt",
    SearchField.SMALLER: "size_lt",
}
# Dovecot 2.3 takes `OR UNSEEN UNFLAGGED` for one condition, and then leaves out what is read at the beginning
# of the folder.
_APART = dict.fromkeys(("UNSEEN", "NOT SEEN"), "(UNSEEN 1:*)")
# RFC 2683, 3.2.1.5: longer strings go as literals, so that lines stay short.
_LONGEST_QUOTED = 1000


def to_query(criterion: Criterion | None, *, have_attachments: bool = True) -> str:
    """Return criteria as search keys (RFC 9051, 6.4.4); None finds all.

    `have_attachments`: what to take for true of every message, as no key tells. Parentheses stand only where
    they must, and none behind NOT: else Dovecot 2.3 takes `OR (A B) B` for `A B`, and more like it.
    """
    if criterion is None:
        return "ALL"
    return _to_keys(criterion, have_attachments=have_attachments)


def _to_keys(
    criterion: Criterion, *, have_attachments: bool, is_negated: bool = False, is_in_or: bool = False
) -> str:
    if isinstance(criterion, Condition):
        key = _search_key(criterion, have_attachments=have_attachments)
        key = f"NOT {key}" if is_negated else key
        return _APART.get(key, key) if is_in_or else key
    is_not = criterion.operator is SearchOperator.NOT
    joined = SearchOperator.OR if is_negated else SearchOperator.AND  # De Morgan's laws
    is_or = not is_not and criterion.operator is not joined and len(criterion.criteria) > 1
    members = [
        _to_keys(
            member,
            have_attachments=have_attachments,
            is_negated=is_negated is not is_not,
            is_in_or=is_in_or or is_or,
        )
        for member in criterion.criteria
    ]
    if not is_or:
        return f"({' '.join(members)})" if len(members) > 1 else members[0]
    while len(members) > 1:  # in pairs, so that nesting grows with the logarithm
        pairs = (members[start : start + 2] for start in range(0, len(members), 2))
        members = [" ".join(["OR", *pair]) if len(pair) > 1 else pair[0] for pair in pairs]
    return members[0]


def _search_key(condition: Condition, *, have_attachments: bool) -> str:
    if condition.field is SearchField.ATTACHMENT:
        return "ALL" if condition.value is have_attachments else "NOT ALL"
    key = _KEY.get(condition.field, condition.field.value.lower())
    value = H(condition.header, condition.text) if condition.header else condition.value
    keys: dict[str, Any] = {key: value}
    return str(AND(**keys))[1:-1]


def searchable_part(criterion: Criterion) -> Criterion | None:
    """Return what all matches of a criterion meet and any server can search for; None if that is nothing."""
    if isinstance(criterion, Condition) or criterion.operator is SearchOperator.NOT:
        is_searchable = all(
            each.text.isascii() and each.field is not SearchField.ATTACHMENT
            for each in conditions_of(criterion)
        )
        return criterion if is_searchable else None
    parts = [searchable_part(member) for member in criterion.criteria]
    kept = tuple(part for part in parts if part is not None)
    is_lost = not kept or (criterion.operator is SearchOperator.OR and len(kept) < len(parts))
    return None if is_lost else Group(criterion.operator, kept)


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
