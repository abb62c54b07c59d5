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


def test_entries_may_count_as_much_as_their_values_say() -> None:
    recent = Recent[str, str](7, len)
    for name in ("a", "b", "a", "c", "d"):
        recent[name] = "xx"
    assert list(recent) == ["a", "c", "d"]
    assert recent.size == 6
    recent["e"] = "larger than all together"
    assert not recent


def test_what_is_kept_first_stays_and_is_not_forgotten_while_it_is_used() -> None:
    recent = Recent[str, int](2)
    assert [recent.keep_first(name, number) for number, name in enumerate("abaca")] == [0, 1, 0, 3, 0]
    assert dict(recent) == {"c": 3, "a": 0}
