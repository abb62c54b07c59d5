"""`and` and `or` on values of which some may be no booleans."""

from __future__ import annotations

from collections.abc import Iterable

from worker.feel.values import Value


def decide(values: Iterable[Value], *, decisive: bool) -> bool | None:
    """Return `decisive` if one value is that, else null if one is no boolean, else the opposite.

    With True this is `or`, with False `and`. What comes behind a decisive value is not evaluated.
    """
    has_other = False
    for value in values:
        if type(value) is not bool:
            has_other = True
        elif value == decisive:
            return decisive
    return None if has_other else not decisive
