"""The header jobTimeout: the deadline is moved before the work begins, and kept that far ahead."""

from __future__ import annotations

import pytest
from testkit.job_bench import Bench
from testkit.jobs import make_job
from testkit.scripted_gateway import Fault
from testkit.skipping_clock import on_skipping_clock

from worker.job.engine_errors import GatewayUnavailable, JobGone

TEN_MINUTES = {"jobTimeout": "PT10M"}


@on_skipping_clock
async def test_the_deadline_is_moved_before_the_work_begins() -> None:
    bench = Bench()
    bench.handler.shut()
    async with bench.serving():
        bench.gateway.offer(make_job(headers=TEN_MINUTES))
        await bench.until_running(1)
        assert [command.fields["timeout_seconds"] for command in bench.gateway.extended] == [600.0]
        bench.handler.open()
        await bench.gateway.until_taken(1)


@pytest.mark.parametrize(("job_timeout", "seconds"), [("PT10M", 600.0), ("PT6S", 6.0)])
@on_skipping_clock
async def test_the_deadline_is_kept_as_far_ahead_as_the_header_says(job_timeout: str, seconds: float) -> None:
    bench = Bench()
    bench.handler.shut()
    async with bench.serving():
        bench.gateway.offer(make_job(headers={"jobTimeout": job_timeout}))
        await bench.gateway.until(lambda: len(bench.gateway.extended) == 4)
        bench.handler.open()
        await bench.gateway.until_taken(1)
    first, *_, last = bench.gateway.extended
    assert {command.fields["timeout_seconds"] for command in bench.gateway.extended} == {seconds}
    assert last.at - first.at == pytest.approx(seconds, rel=0.01)


@on_skipping_clock
async def test_a_job_that_is_no_longer_the_workers_is_not_run() -> None:
    bench = Bench()
    bench.gateway.script("extend", JobGone("NOT_FOUND: no such job"))
    async with bench.serving():
        bench.gateway.offer(make_job(key=1, headers=TEN_MINUTES), make_job(key=2))
        (command,) = await bench.gateway.until_taken(1)
    assert (command.name, command.job_key) == ("complete", 2)
    assert bench.handler.runs == 1
    assert bench.gateway.tried == [command]


@pytest.mark.parametrize("fault", [GatewayUnavailable("UNAVAILABLE"), Fault.HANGS])
@on_skipping_clock
async def test_a_gateway_that_is_away_does_not_keep_a_job_from_being_run(fault: Exception | Fault) -> None:
    bench = Bench()
    bench.gateway.script("extend", fault)
    async with bench.serving():
        bench.gateway.offer(make_job(headers=TEN_MINUTES))
        (command,) = await bench.gateway.until_taken(1)
    assert command.name == "complete"
    assert bench.handler.runs == 1
