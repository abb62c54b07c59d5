from __future__ import annotations

from contextlib import ExitStack

import pytest

from worker.job.slots import ServerFull, ServerSlots


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def backoff_of(slots: ServerSlots, server: str = "a:25") -> float:
    with pytest.raises(ServerFull) as caught, slots.slot(server):
        pass
    return caught.value.backoff_seconds


def test_a_server_takes_as_many_as_the_limit_and_no_more() -> None:
    slots = ServerSlots(2, Clock())
    with slots.slot("a:25"), slots.slot("a:25"):
        with pytest.raises(ServerFull), slots.slot("a:25"):
            pass
        with slots.slot("b:25"):
            pass


def test_a_slot_is_free_again_however_its_job_ended() -> None:
    slots = ServerSlots(1, Clock())
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), slots.slot("a:25"):
            raise ValueError("broken")


def test_a_full_server_that_answers_at_once_is_tried_again_at_once() -> None:
    slots = ServerSlots(1, Clock())
    with slots.slot("a:25"):
        assert backoff_of(slots) == pytest.approx(0.1)


def test_a_server_that_holds_its_jobs_for_long_is_tried_again_later() -> None:
    clock = Clock()
    slots = ServerSlots(1, clock)
    with slots.slot("a:25"):
        clock.seconds += 4
        assert backoff_of(slots) == pytest.approx(8)
        clock.seconds += 1_000
        assert backoff_of(slots) == pytest.approx(30)


def test_jobs_sent_back_in_a_row_come_back_one_after_another() -> None:
    clock = Clock()
    slots = ServerSlots(2, clock)
    with slots.slot("a:25"), slots.slot("a:25"):
        clock.seconds += 1
        backoffs = [backoff_of(slots) for _ in range(4)]
    assert backoffs == pytest.approx([1.5, 2.0, 2.5, 3.0])


def test_the_queue_is_counted_anew_when_a_slot_was_freed() -> None:
    clock = Clock()
    slots = ServerSlots(2, clock)
    with slots.slot("a:25"), ExitStack() as second:
        second.enter_context(slots.slot("a:25"))
        clock.seconds += 1
        before = backoff_of(slots)
        assert backoff_of(slots) > before
        second.close()
        second.enter_context(slots.slot("a:25"))
        assert backoff_of(slots) == pytest.approx(before)


def test_what_is_known_of_a_server_without_jobs_is_forgotten() -> None:
    clock = Clock()
    slots = ServerSlots(1, clock)
    for number in range(100):
        with slots.slot(f"host{number}:25"):
            clock.seconds += 1
    assert slots._servers == {}
