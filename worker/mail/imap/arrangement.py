"""Which messages of the selected folder come first, for as long as nothing changes there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable

_KEPT_ORDERS = 8
# A longer list takes more room than asking again takes time.
_LONGEST = 1_000


class Arrangements:
    """UIDs in the orders in which they were asked for last, within one session.

    `changes` counts what the server has told of mails that have come or gone, and selections.
    """

    def __init__(self) -> None:
        self._changes = 0
        self._uids: dict[Hashable, list[int]] = {}

    def has(self, order: Hashable, changes: int) -> bool:
        """Tell whether an order is known that still holds, if no more has changed than is known."""
        return changes == self._changes and order in self._uids

    def arranged(
        self, order: Hashable, changes: Callable[[], int], ask: Callable[[], list[int]]
    ) -> list[int]:
        """Return what `ask` gives, or gave when it was last asked, if nothing has changed since."""
        before = changes()
        if before != self._changes:
            self._changes = before
            self._uids.clear()
        if order in self._uids:
            return self._uids[order]
        uids = ask()
        # What the server tells beside its answer may be newer than the answer.
        if changes() == before and len(uids) <= _LONGEST and len(self._uids) < _KEPT_ORDERS:
            self._uids[order] = uids
        return uids
