from __future__ import annotations

from worker.recent import MOST, Recent


def test_what_was_not_set_for_the_longest_time_goes_first() -> None:
    recent: Recent[int, str] = Recent()
    recent[-1], recent[-2] = "first", "second"
    recent[-1] = "set again"
    for key in range(MOST - 1):
        recent[key] = "new"
    assert len(recent) == MOST
    assert recent.get(-1) == "set again"
    assert -2 not in recent
