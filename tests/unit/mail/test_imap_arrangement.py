from __future__ import annotations

from collections.abc import Callable

from worker.mail.imap.arrangement import Arrangements


class Folder:
    """A folder whose order may be asked for; `told` is said beside the answer."""

    def __init__(self) -> None:
        self.changes = 0
        self.asked = 0
        self.told = 0

    def ask(self, *uids: int) -> Callable[[], list[int]]:
        def answer() -> list[int]:
            self.asked += 1
            self.changes += self.told
            return list(uids)

        return answer


def test_an_order_is_asked_for_once_while_nothing_changes() -> None:
    folder, kept = Folder(), Arrangements()
    for _ in range(2):
        assert kept.arranged("size", lambda: folder.changes, folder.ask(2, 1)) == [2, 1]
        assert kept.arranged("date", lambda: folder.changes, folder.ask(1, 2)) == [1, 2]
    assert folder.asked == 2
    folder.changes += 1
    assert kept.arranged("size", lambda: folder.changes, folder.ask(3, 2, 1)) == [3, 2, 1]
    assert kept.arranged("date", lambda: folder.changes, folder.ask(1, 2, 3)) == [1, 2, 3]


def test_an_answer_beside_which_a_change_was_told_is_not_kept() -> None:
    folder, kept = Folder(), Arrangements()
    folder.told = 1
    assert kept.arranged("size", lambda: folder.changes, folder.ask(1)) == [1]
    folder.told = 0
    assert kept.arranged("size", lambda: folder.changes, folder.ask(2, 1)) == [2, 1]


def test_long_answers_and_many_orders_are_not_kept() -> None:
    folder, kept = Folder(), Arrangements()
    for order in (*range(20), *range(20)):
        kept.arranged(order, lambda: folder.changes, folder.ask(order))
    assert folder.asked == 32
    folder, kept = Folder(), Arrangements()
    for _ in range(2):
        kept.arranged("size", lambda: folder.changes, folder.ask(*range(1_001)))
    assert folder.asked == 2
