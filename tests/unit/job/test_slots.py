from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

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


@contextmanager
def full_server(slots: ServerSlots, clock: Clock, *, seconds_a_job: float) -> Iterator[ExitStack]:
    """Both slots are taken, and one job has ended before; yields what holds the second."""
    with slots.slot("a:25"), ExitStack() as second:
        second.enter_context(slots.slot("a:25"))
        clock.seconds += seconds_a_job
        second.close()
        second.enter_context(slots.slot("a:25"))
        yield second


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
    clock = Clock()
    slots = ServerSlots(2, clock)
    with full_server(slots, clock, seconds_a_job=0.001):
        assert backoff_of(slots) == pytest.approx(0.1)


def test_a_server_that_has_only_just_begun_is_tried_again_soon() -> None:
    slots = ServerSlots(1, Clock())
    with slots.slot("a:25"):
        assert [backoff_of(slots) for _ in range(50)] == [0.5] * 50


def test_a_server_that_holds_its_jobs_for_long_is_tried_again_later() -> None:
    clock = Clock()
    slots = ServerSlots(2, clock)
    with full_server(slots, clock, seconds_a_job=4):
        assert backoff_of(slots) == pytest.approx(6)
        clock.seconds += 1_000
        assert backoff_of(slots) == pytest.approx(30)


def test_a_server_that_has_ended_no_job_yet_is_given_many_times_what_it_has_taken() -> None:
    clock = Clock()
    slots = ServerSlots(2, clock)
    with slots.slot("a:25"), slots.slot("a:25"):
        clock.seconds += 0.5
        assert backoff_of(slots) == pytest.approx(7.5)


def test_what_was_expected_of_a_server_does_not_count_when_its_first_job_has_ended() -> None:
    clock = Clock()
    slots = ServerSlots(2, clock)
    with slots.slot("a:25"):
        with slots.slot("a:25"):
            clock.seconds += 0.5
            assert backoff_of(slots) > 7
        with slots.slot("a:25"):
            assert backoff_of(slots) == pytest.approx(0.75)


def test_jobs_sent_back_come_back_one_after_another_also_when_a_slot_was_freed_meanwhile() -> None:
    clock = Clock()
    slots = ServerSlots(2, clock)
    with full_server(slots, clock, seconds_a_job=1) as second:
        assert [backoff_of(slots) for _ in range(2)] == pytest.approx([1.5, 2.0])
        second.close()
        second.enter_context(slots.slot("a:25"))
        assert [backoff_of(slots) for _ in range(2)] == pytest.approx([2.5, 3.0])


def test_what_is_known_of_a_server_without_jobs_is_forgotten() -> None:
    clock = Clock()
    slots = ServerSlots(1, clock)
    for number in range(100):
        with slots.slot(f"host{number}:25"):
            clock.seconds += 1
    assert slots._servers == {}
