from __future__ import annotations

import pytest

from worker.job.circuit_breaker import Attempt, Change, CircuitBreaker

SERVER = "a:25"


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(limit=4, max_trials=2, clock=clock)


def attempt(breaker: CircuitBreaker, clock: Clock, how: Attempt, *, seconds: float = 1) -> Change | None:
    began_at = clock.seconds
    breaker.begin(SERVER)
    clock.seconds += seconds
    return breaker.end(SERVER, how, began_at)


def may_wait(breaker: CircuitBreaker, *, ahead: int = 0, is_crowded: bool = False) -> bool:
    return breaker.may_wait(SERVER, ahead=ahead, is_crowded=is_crowded)


def test_a_server_that_has_never_answered_is_tried_by_one_job(breaker: CircuitBreaker, clock: Clock) -> None:
    assert breaker.may_begin(SERVER)
    breaker.begin(SERVER)
    assert not breaker.may_begin(SERVER)
    breaker.end(SERVER, Attempt.ANSWERED, clock.seconds)
    assert breaker.may_begin(SERVER)


def test_a_server_that_answers_gets_as_many_as_the_limit(breaker: CircuitBreaker, clock: Clock) -> None:
    attempt(breaker, clock, Attempt.ANSWERED)
    for _ in range(4):
        assert breaker.may_begin(SERVER)
        breaker.begin(SERVER)
    assert not breaker.may_begin(SERVER)


def test_a_server_that_answered_some_time_ago_is_tried_by_one_job_again(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    attempt(breaker, clock, Attempt.ANSWERED)
    clock.seconds += 11
    breaker.begin(SERVER)
    assert not breaker.may_begin(SERVER)


def test_one_timeout_opens_the_circuit_and_an_answer_closes_it(breaker: CircuitBreaker, clock: Clock) -> None:
    assert attempt(breaker, clock, Attempt.TIMED_OUT) is Change.OPENED
    assert breaker.open_circuits == 1
    assert not breaker.may_begin(SERVER)
    clock.seconds += 1
    assert breaker.may_begin(SERVER)
    assert attempt(breaker, clock, Attempt.ANSWERED) is Change.CLOSED
    assert breaker.open_circuits == 0


def test_three_connections_in_a_row_that_fail_open_the_circuit(breaker: CircuitBreaker, clock: Clock) -> None:
    refused = Attempt.NOT_CONNECTED
    assert [attempt(breaker, clock, refused) for _ in range(3)] == [None, None, Change.OPENED]


def test_failures_with_answers_between_them_open_nothing(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(10):
        assert attempt(breaker, clock, Attempt.NOT_CONNECTED) is None
        assert attempt(breaker, clock, Attempt.NOT_CONNECTED) is None
        assert attempt(breaker, clock, Attempt.ANSWERED) is None


def test_a_timeout_while_the_server_answers_others_opens_nothing(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    attempt(breaker, clock, Attempt.ANSWERED)
    began_at = clock.seconds
    breaker.begin(SERVER)
    attempt(breaker, clock, Attempt.ANSWERED)
    assert breaker.end(SERVER, Attempt.TIMED_OUT, began_at) is None


def test_the_pauses_between_attempts_grow_to_a_minute(breaker: CircuitBreaker, clock: Clock) -> None:
    pauses = []
    for _ in range(8):
        attempt(breaker, clock, Attempt.TIMED_OUT)
        ended_at = clock.seconds
        while not breaker.may_begin(SERVER):
            clock.seconds += 1
        pauses.append(clock.seconds - ended_at)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_circuit_that_was_closed_opens_with_a_short_pause_again(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    for _ in range(5):
        attempt(breaker, clock, Attempt.TIMED_OUT)
        clock.seconds += 60
    attempt(breaker, clock, Attempt.ANSWERED)
    attempt(breaker, clock, Attempt.TIMED_OUT)
    clock.seconds += 1
    assert breaker.may_begin(SERVER)


def test_servers_that_never_answered_are_tried_a_few_at_a_time_and_delay_no_others(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    attempt(breaker, clock, Attempt.ANSWERED)
    clock.seconds += 3_600
    for name in ("x:25", "y:25"):
        assert breaker.may_begin(name)
        breaker.begin(name)
    assert not breaker.may_begin("z:25")
    assert breaker.may_begin(SERVER)


def test_a_server_that_answers_none_of_its_jobs_is_silent(breaker: CircuitBreaker, clock: Clock) -> None:
    attempt(breaker, clock, Attempt.ANSWERED, seconds=0.1)
    breaker.begin(SERVER)
    clock.seconds += 1.9
    assert not breaker.is_silent(SERVER)
    assert breaker.may_begin(SERVER)
    clock.seconds += 0.2
    assert breaker.is_silent(SERVER)
    assert not breaker.may_begin(SERVER)


def test_a_silent_server_gets_one_more_job_each_time_its_silence_has_doubled(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    attempt(breaker, clock, Attempt.ANSWERED, seconds=1)
    breaker.begin(SERVER)
    tried = []
    for second in range(1, 60):
        clock.seconds += 1
        if breaker.may_try(SERVER) and breaker.has_answered(SERVER):
            breaker.begin(SERVER)
            tried.append(second)
    assert tried == [5, 10, 20, 40]
    breaker.end(SERVER, Attempt.TIMED_OUT, began_at=clock.seconds)
    assert not (breaker.may_try(SERVER) and breaker.has_answered(SERVER))


def test_a_server_that_is_known_to_be_slow_is_silent_later(breaker: CircuitBreaker, clock: Clock) -> None:
    attempt(breaker, clock, Attempt.ANSWERED, seconds=5)
    breaker.begin(SERVER)
    clock.seconds += 9
    assert not breaker.is_silent(SERVER)


def test_jobs_wait_two_seconds_for_a_first_answer(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.begin(SERVER)
    clock.seconds += 1.9
    assert may_wait(breaker)
    assert not may_wait(breaker, is_crowded=True)
    clock.seconds += 0.2
    assert not may_wait(breaker)


def test_no_job_waits_for_a_server_whose_circuit_is_open(breaker: CircuitBreaker, clock: Clock) -> None:
    attempt(breaker, clock, Attempt.TIMED_OUT)
    assert not may_wait(breaker)
    clock.seconds += 2
    breaker.begin(SERVER)
    assert not may_wait(breaker)


def test_jobs_wait_for_their_turn_at_a_server_that_answers_if_it_comes_soon(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    attempt(breaker, clock, Attempt.ANSWERED, seconds=1)
    assert may_wait(breaker, ahead=7, is_crowded=True)
    assert not may_wait(breaker, ahead=8)


def test_jobs_are_away_for_longer_the_longer_a_server_does_not_answer(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    breaker.begin(SERVER)
    first = [breaker.backoff_seconds(SERVER) for _ in range(20)]
    clock.seconds += 20
    later = [breaker.backoff_seconds(SERVER) for _ in range(20)]
    clock.seconds += 3_600
    latest = [breaker.backoff_seconds(SERVER) for _ in range(20)]
    assert (min(first) >= 4, max(first) <= 8) == (True, True)
    assert (min(later) >= 20, max(later) <= 40) == (True, True)
    assert (min(latest) >= 30, max(latest) <= 60) == (True, True)
    # They come back one after the other.
    assert len({round(seconds, 1) for seconds in latest}) > 15


def test_a_job_that_has_shown_nothing_long_ago_keeps_no_later_job_away_for_longer(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    attempt(breaker, clock, Attempt.SHOWED_NOTHING, seconds=0.1)
    clock.seconds += 3600
    breaker.begin(SERVER)
    assert breaker.backoff_seconds(SERVER) <= 8


def test_many_jobs_of_many_servers_come_back_no_faster_than_camunda_can_hand_out_others(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    for number in range(2_000):
        breaker.backoff_seconds(f"host{number % 20}:25")
    assert 100 <= breaker.backoff_seconds(SERVER) <= 200
    clock.seconds += 3_600
    assert breaker.backoff_seconds("other:25") <= 8


def test_the_memory_of_servers_is_bounded(clock: Clock) -> None:
    breaker = CircuitBreaker(limit=1, max_trials=1, clock=clock)
    for number in range(12_000):
        breaker.begin(f"host{number}:25")
        breaker.end(f"host{number}:25", Attempt.ANSWERED, clock.seconds)
    assert len(breaker._servers) <= 10_000
