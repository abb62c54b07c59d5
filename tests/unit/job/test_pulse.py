from __future__ import annotations

import asyncio

import pytest
from testkit.skipping_clock import SkippingLoop, now, on_skipping_clock

from worker.event_loop import background
from worker.job.pulse import Pulse


def stand_still(seconds: float) -> None:
    """What SIGSTOP and SIGCONT do: the clock goes on, nothing else does."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SkippingLoop)
    loop.skip(seconds)


@on_skipping_clock
async def test_an_answer_is_fresh_while_the_process_runs() -> None:
    pulse = Pulse()
    async with background(pulse.beat_on(), "pulse"):
        asked_at = now()
        await asyncio.sleep(100)
        assert pulse.age_seconds(asked_at) == 0


@on_skipping_clock
async def test_an_answer_to_a_question_from_before_a_standstill_may_be_as_old_as_that() -> None:
    pulse = Pulse()
    async with background(pulse.beat_on(), "pulse"):
        asked_at = now()
        await asyncio.sleep(10)
        stand_still(30)
        assert 30 <= pulse.age_seconds(asked_at) < 31
        await asyncio.sleep(5)
        assert 35 <= pulse.age_seconds(asked_at) < 36


@on_skipping_clock
async def test_an_answer_to_a_question_from_after_a_standstill_is_fresh() -> None:
    pulse = Pulse()
    async with background(pulse.beat_on(), "pulse"):
        stand_still(30)
        await asyncio.sleep(1)
        assert pulse.age_seconds(now()) == 0


@on_skipping_clock
async def test_a_machine_that_was_suspended_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    pulse = Pulse()
    async with background(pulse.beat_on(), "pulse"):
        await asyncio.sleep(1)
        asked_at = now()
        monkeypatch.setattr("worker.job.pulse.suspended_seconds", lambda: 3_600.0)
        assert pulse.age_seconds(asked_at) >= 3_600
