"""The gateway is not there at the start, or gone for an hour."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from structlog.testing import capture_logs
from testkit.job_bench import POLL_SECONDS, Bench
from testkit.jobs import SECOND_TASK_TYPE, TASK_TYPE, make_job
from testkit.skipping_clock import now, on_skipping_clock

from worker.errors import GatewayUnavailable

AWAY = GatewayUnavailable("UNAVAILABLE: connection refused")


@on_skipping_clock
async def test_an_hour_without_a_gateway_is_one_line_and_its_return_another() -> None:
    bench = Bench()
    with capture_logs() as logs:
        async with bench.serving():
            await asyncio.sleep(POLL_SECONDS * 2)
            bench.gateway.go_away()
            await asyncio.sleep(3_600)
            bench.gateway.come_back()
            bench.gateway.offer(make_job())
            await bench.gateway.until_taken(1)
            await asyncio.sleep(POLL_SECONDS * 2)
    lines = [line["event"] for line in logs if line["event"].startswith("gateway_")]
    assert lines == ["gateway_reached", "gateway_unreachable", "gateway_reconnected"]
    (loss,) = [line for line in logs if line["event"] == "gateway_unreachable"]
    assert (loss["log_level"], loss["reason"]) == ("warning", "UNAVAILABLE: connection refused")


def pauses_of(bench: Bench, first: int) -> list[float]:
    """The seconds between polls, from poll number `first` on."""
    return [later - earlier for (_, _, earlier), (_, _, later) in pairwise(bench.gateway.polls[first:])]


@on_skipping_clock
async def test_a_long_poll_from_before_the_loss_is_no_return() -> None:
    bench = Bench(task_types=(TASK_TYPE, SECOND_TASK_TYPE))
    with capture_logs() as logs:
        async with bench.serving():
            await asyncio.sleep(POLL_SECONDS / 2)
            bench.gateway.offer(make_job(type=SECOND_TASK_TYPE))
            await bench.gateway.until_taken(1)
            # The polls of the two types now end half a period apart, the second one well.
            bench.gateway.go_away()
            await asyncio.sleep(POLL_SECONDS * 3)
    events = [line["event"] for line in logs]
    assert events.count("gateway_unreachable") == 1
    assert "gateway_reconnected" not in events


@on_skipping_clock
async def test_the_pauses_grow_to_half_a_minute_and_are_short_again_after_a_success() -> None:
    bench = Bench(task_types=(TASK_TYPE,))
    bench.gateway.go_away()
    async with bench.serving():
        await asyncio.sleep(200)
        first = pauses_of(bench, 0)
        bench.gateway.come_back()
        await asyncio.sleep(POLL_SECONDS * 2)
        bench.gateway.go_away()
        lost_at = len(bench.gateway.polls)
        await asyncio.sleep(POLL_SECONDS + 2)
        second = pauses_of(bench, lost_at)
    assert first[:8] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6], abs=0.01)
    assert first[8:] == pytest.approx([30.0] * len(first[8:]), abs=0.01)
    assert second[:2] == pytest.approx([0.2, 0.4], abs=0.01)


@on_skipping_clock
async def test_a_gateway_that_comes_later_than_the_worker_is_served_without_a_restart() -> None:
    bench = Bench()
    bench.gateway.go_away()
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(make_job())
            await asyncio.sleep(600)
            assert bench.handler.runs == 0
            bench.gateway.come_back()
            returned_at = now()
            await bench.gateway.until_taken(1)
            assert now() - returned_at < 31
    assert [line["event"] for line in logs].count("gateway_unreachable") == 1


@on_skipping_clock
async def test_a_worker_without_a_gateway_stops_immediately() -> None:
    bench = Bench()
    bench.gateway.go_away()
    async with bench.serving():
        await asyncio.sleep(600)
        stopped_at = now()
    assert now() - stopped_at < 0.1


@on_skipping_clock
async def test_a_poll_that_found_no_job_is_an_answer() -> None:
    bench = Bench(task_types=(TASK_TYPE,))
    runtime = bench.runtime()
    answers = [runtime.connection.last_answer_at]
    running = asyncio.create_task(runtime.run(bench.stop, grace_seconds=1))
    await asyncio.sleep(POLL_SECONDS + 1)
    answers.append(runtime.connection.last_answer_at)
    bench.stop.set()
    await running
    assert answers[0] is None
    assert answers[1] is not None


@on_skipping_clock
async def test_a_poller_that_dies_ends_the_worker_with_its_error_and_running_jobs_are_finished() -> None:
    bench = Bench()
    bench.handler.shut()
    running = asyncio.create_task(bench.runtime().run(bench.stop, grace_seconds=20))
    bench.gateway.offer(make_job())
    await bench.until_running(1)
    bench.gateway.script("activate", ZeroDivisionError("a bug"))
    await bench.gateway.until(lambda: len(bench.gateway.polls) > 2)
    bench.handler.open()
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await running
    assert [command.name for command in bench.gateway.taken] == ["complete"]
