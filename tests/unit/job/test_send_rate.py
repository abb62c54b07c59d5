from __future__ import annotations

from worker.job.send_rate import SendRate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_account_sends_so_many_within_any_minute() -> None:
    clock = Clock()
    rate = SendRate(2, clock)
    assert rate.take("ann") == 0
    clock.now = 20
    assert rate.take("ann") == 0
    assert rate.take("ann") == 40
    assert rate.take("bob") == 0
    clock.now = 61
    assert rate.take("ann") == 0
    assert rate.take("ann") == 19


def test_those_refused_one_after_the_other_come_back_one_after_the_other() -> None:
    rate = SendRate(3, Clock())
    assert [rate.take("ann") for _ in range(6)] == [0, 0, 0, 60, 80, 100]


def test_without_a_limit_no_job_is_refused() -> None:
    rate = SendRate(0, Clock())
    assert [rate.take("ann") for _ in range(100)] == [0] * 100
