"""Search criteria decided here, for servers that cannot search. Pure.

As a good IMAP server does it: a text contains another, letter case and the way in which accents are
written aside (compare RFC 5051).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable

from worker.models.search import Condition, Criterion, Group, SearchField, SearchOperator


def fold(text: str) -> str:
    """Return text in the form in which it is compared."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())


def decide(
    criterion: Criterion, *, from_text: str, subject: str | None, found_in_body: Collection[str] | None = None
) -> bool | None:
    """Tell whether a mail meets a criterion; None where that depends on its body, which is not known.

    `found_in_body`: those of `body_values` that the body contains.
    """
    if isinstance(criterion, Group):
        verdicts = [
            decide(member, from_text=from_text, subject=subject, found_in_body=found_in_body)
            for member in criterion.criteria
        ]
        return _join(criterion.operator, verdicts)
    if criterion.field is SearchField.BODY:
        return None if found_in_body is None else criterion.value in found_in_body
    text = from_text if criterion.field is SearchField.FROM else subject or ""
    return fold(criterion.value) in fold(text)


def body_values(criterion: Criterion) -> frozenset[str]:
    """Return what is sought in bodies."""
    if isinstance(criterion, Condition):
        return frozenset([criterion.value] if criterion.field is SearchField.BODY else [])
    return frozenset().union(*(body_values(member) for member in criterion.criteria))


def find_values(values: Collection[str], texts: Iterable[str]) -> frozenset[str]:
    """Return the values that are in any of the texts, taking no more texts than it needs."""
    sought = {value: fold(value) for value in values}
    for text in texts:
        if not sought:
            break
        folded = fold(text)
        sought = {value: needle for value, needle in sought.items() if needle not in folded}
    return frozenset(values) - sought.keys()


def _join(operator: SearchOperator, verdicts: list[bool | None]) -> bool | None:
    """Kleene's logic: what is unknown stays so unless the others decide."""
    decisive = operator is SearchOperator.OR
    if decisive in verdicts:
        return decisive
    return None if None in verdicts else not decisive
