"""Search criteria decided here, for servers that cannot search. Pure.

As a good IMAP server does it: a text contains another, letter case and the way in which accents are
written aside (i;unicode-casemap, RFC 5051, which RFC 5255 asks of servers).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cache

from worker.models.search import Condition, Criterion, Group, SearchField, SearchOperator

_PIECE_LENGTH = 256 * 1024


def fold(text: str) -> str:
    """Return text in the form in which it is compared.

    One letter stays one letter: `ß` is not `SS`, as for IMAP servers, which map single code points.
    """
    if text.isascii():
        return text.upper()
    pieces = _without_single_capital().split(text)
    pieces[::2] = (piece.upper() for piece in pieces[::2])
    return unicodedata.normalize("NFKD", "".join(pieces))


@cache
def _without_single_capital() -> re.Pattern[str]:
    letters = (chr(point) for point in range(0x80, 0x10000) if len(chr(point).upper()) > 1)
    return re.compile(f"([{''.join(letters)}])")


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
    return fold(criterion.value) in fold(text.replace("\t", " "))


def body_values(criterion: Criterion) -> frozenset[str]:
    """Return what is sought in bodies."""
    if isinstance(criterion, Condition):
        return frozenset([criterion.value] if criterion.field is SearchField.BODY else [])
    return frozenset().union(*(body_values(member) for member in criterion.criteria))


def find_values(values: Collection[str], texts: Iterable[str]) -> frozenset[str]:
    """Return the values that are in any of the texts, taking no more of the texts than it needs."""
    sought = {value: fold(value) for value in values}
    overlap = max(map(len, sought.values()), default=0)
    for piece in (piece for text in texts for piece in _pieces(text, overlap)):
        folded = fold(piece)
        sought = {value: needle for value, needle in sought.items() if needle not in folded}
        if not sought:
            break
    return frozenset(values) - sought.keys()


def _pieces(text: str, overlap: int) -> Iterator[str]:
    """Cut a long text, so that its folded form never takes much memory; no letter folds to less than one."""
    for start in range(0, max(len(text), 1), _PIECE_LENGTH):
        yield text[start : start + _PIECE_LENGTH + overlap]


def _join(operator: SearchOperator, verdicts: list[bool | None]) -> bool | None:
    """Kleene's logic: what is unknown stays so unless the others decide."""
    decisive = operator is SearchOperator.OR
    if decisive in verdicts:
        return decisive
    return None if None in verdicts else not decisive
