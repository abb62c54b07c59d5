"""SIGTERM: no new jobs, running ones end within the grace, the rest go back to the engine unharmed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs
from testkit.job_bench import SENT, Bench
from testkit.jobs import make_job
from testkit.scripted_gateway import Fault
from testkit.skipping_clock import now, on_skipping_clock

from worker.errors import SendOutcomeUnknown
from worker.job.engine_errors import GatewayUnavailable, JobGone
from worker.job.headers import ConnectorHeaders
from worker.mail.operation_result import OperationResult

AWAY = GatewayUnavailable("UNAVAILABLE")


def running_task(name: str) -> asyncio.Task[Any]:
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == name)
    return task


@on_skipping_clock
async def test_an_idle_worker_stops_immediately() -> None:
    bench = Bench()
    async with bench.serving():
        await bench.gateway.until(lambda: len(bench.gateway.polls) == 2)
        stopped_at = now()
    assert now() - stopped_at < 0.1


@on_skipping_clock
async def test_no_job_is_taken_after_the_signal() -> None:
    bench = Bench()
    bench.handler.shut()
    async with bench.serving() as running:
        bench.gateway.offer(make_job())
        await bench.until_running(1)
        bench.stop.set()
        await asyncio.sleep(1)
        polls = len(bench.gateway.polls)
        bench.gateway.offer(make_job())
        await asyncio.sleep(1)
        assert len(bench.gateway.polls) == polls
        bench.handler.open()
        await running
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_running_jobs_end_within_the_grace_and_keep_their_deadline() -> None:
    bench = Bench(grace_seconds=100)
    bench.handler.shut()
    async with bench.serving() as running:
        bench.gateway.offer(make_job(), make_job())
        await bench.until_running(2)
        bench.stop.set()
        await asyncio.sleep(90)
        assert len(bench.gateway.extended) == 8
        bench.handler.open()
        await running
    assert [command.name for command in bench.gateway.taken] == ["complete", "complete"]
    assert now() < 92


@on_skipping_clock
async def test_a_job_that_runs_longer_than_the_grace_period_is_returned_with_its_retries() -> None:
    bench = Bench(grace_seconds=5)
    bench.handler.shut()
    async with bench.serving():
        bench.gateway.offer(make_job(retries=3), make_job(retries=1))
        await bench.until_running(2)
    assert 5 <= now() < 6
    assert [command.name for command in bench.gateway.taken] == ["fail", "fail"]
    assert {command.fields["retries"] for command in bench.gateway.taken} == {3, 1}
    assert {command.fields["backoff_seconds"] for command in bench.gateway.taken} == {0}
    assert bench.handler.cancelled == 2


@on_skipping_clock
async def test_jobs_that_wait_for_a_place_are_returned_too() -> None:
    bench = Bench(grace_seconds=5, max_jobs=1)
    bench.handler.shut()
    async with bench.serving():
        await bench.gateway.until(lambda: len(bench.gateway.polls) == 2)
        bench.gateway.offer(make_job(key=1), make_job(key=2, type="email.test.list"))
        await bench.until_running(1)
    assert {command.job_key for command in bench.gateway.taken} == {1, 2}
    assert {command.fields["retries"] for command in bench.gateway.taken} == {3}
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_without_a_grace_period_every_job_is_returned_immediately() -> None:
    bench = Bench(grace_seconds=0)
    bench.handler.shut()
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.until_running(1)
    assert [command.fields["retries"] for command in bench.gateway.taken] == [3]
    assert now() < 0.1


async def goes_out_all_the_same() -> OperationResult:
    """What a session does that has sent the last dot: it waits for the answer."""
    try:
        await asyncio.sleep(1_000)
    except asyncio.CancelledError:
        await asyncio.sleep(1)
    return SENT


async def breaks_off_after_the_last_dot() -> OperationResult:
    try:
        await asyncio.sleep(1_000)
    except asyncio.CancelledError:
        raise SendOutcomeUnknown("The mail may be out.") from None
    return SENT


@on_skipping_clock
async def test_a_mail_that_goes_out_as_the_worker_stops_is_reported_not_returned() -> None:
    bench = Bench(grace_seconds=5)
    bench.handler.script.append(goes_out_all_the_same)
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.until_running(1)
    assert [command.name for command in bench.gateway.taken] == ["complete"]


@on_skipping_clock
async def test_a_mail_that_may_be_out_as_the_worker_stops_is_an_incident_not_returned() -> None:
    bench = Bench(grace_seconds=5)
    bench.handler.script.append(breaks_off_after_the_last_dot)
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.until_running(1)
    (command,) = bench.gateway.taken
    assert (command.name, command.fields["retries"]) == ("fail", 0)
    assert command.fields["message"].startswith("SEND_OUTCOME_UNKNOWN")


@pytest.mark.parametrize("trouble", [AWAY, Fault.HANGS])
@on_skipping_clock
async def test_a_sent_email_whose_report_is_running_is_reported_before_the_end(
    trouble: Exception | Fault,
) -> None:
    bench = Bench(grace_seconds=5)
    bench.gateway.always("complete", trouble)
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.gateway.until(lambda: len(bench.gateway.tried) >= 1)
        bench.stop.set()
        await asyncio.sleep(4.9)
        bench.gateway.come_back()
    assert [command.name for command in bench.gateway.taken] == ["complete"]
    assert {command.name for command in bench.gateway.tried} == {"complete"}


@pytest.mark.parametrize("trouble", [AWAY, Fault.HANGS])
@on_skipping_clock
async def test_a_gateway_that_is_away_does_not_delay_the_end(trouble: Exception | Fault) -> None:
    bench = Bench(grace_seconds=5)
    bench.handler.shut()
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(make_job())
            await bench.until_running(1)
            bench.gateway.always("fail", trouble)
    assert now() < 12
    assert [line["outcome"] for line in logs if line["event"] == "outcome_not_reported"] == ["RETURNED"]


@pytest.mark.parametrize("trouble", [AWAY, Fault.HANGS])
@on_skipping_clock
async def test_an_email_that_may_have_been_sent_does_not_delay_the_end_if_the_gateway_is_unavailable(
    trouble: Exception | Fault,
) -> None:
    bench = Bench(grace_seconds=5)
    bench.handler.script.append(breaks_off_after_the_last_dot)
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(make_job())
            await bench.until_running(1)
            bench.gateway.always("fail", trouble)
    assert now() < 12
    lines = [line for line in logs if line["event"] == "outcome_not_reported"]
    assert [line["outcome"] for line in lines] == ["SEND_OUTCOME_UNKNOWN"]
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@on_skipping_clock
async def test_a_job_that_is_gone_by_then_is_dropped() -> None:
    bench = Bench(grace_seconds=5)
    bench.handler.shut()
    bench.gateway.script("fail", JobGone("NOT_FOUND"))
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.until_running(1)
    assert len(bench.gateway.tried) == 1


@on_skipping_clock
async def test_a_handler_that_does_not_end_does_not_delay_the_end() -> None:
    bench = Bench(grace_seconds=5)

    async def clings() -> OperationResult:
        for _ in range(10):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                continue
        return SENT

    bench.handler.script.append(clings)
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.until_running(1)
    assert now() < 12


@on_skipping_clock
async def test_no_task_is_left_behind() -> None:
    bench = Bench(grace_seconds=5)
    bench.handler.shut()
    job = make_job()
    async with bench.serving():
        bench.gateway.offer(job)
        await bench.until_running(1)
        bench.gateway.offer(job)
        await asyncio.sleep(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@on_skipping_clock
async def test_a_run_that_is_cancelled_itself_still_hands_its_jobs_back() -> None:
    bench = Bench(grace_seconds=5)
    bench.handler.shut()
    running = asyncio.create_task(bench.runtime().run(bench.stop, grace_seconds=5))
    bench.gateway.offer(make_job())
    await bench.until_running(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [command.fields["retries"] for command in bench.gateway.taken] == [3]


@on_skipping_clock
async def test_a_sent_email_is_reported_if_the_worker_stops_while_the_result_is_evaluated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(grace_seconds=5)
    loop = asyncio.get_running_loop()

    def evaluate_slowly(_: Any, work: Callable[[], Any]) -> asyncio.Future[Any]:
        done = loop.create_future()
        loop.call_later(7, lambda: done.set_result(work()))
        return done

    monkeypatch.setattr(loop, "run_in_executor", evaluate_slowly)
    bench.handler.shut()
    async with bench.serving() as running:
        bench.gateway.offer(make_job(headers={"resultExpression": "={a: 1}"}))
        await bench.until_running(1)
        bench.handler.open()
        await asyncio.sleep(1)
        assert bench.handler.running == 0
        bench.stop.set()
        await running
    assert [command.name for command in bench.gateway.taken] == ["complete"]


async def test_work_that_is_done_is_reported_although_the_worker_stops_while_it_reads_long_headers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    bench.gateway.script("complete", JobGone("NOT_FOUND"))
    job = make_job(key=5, headers={"resultVariable": "mail", "note": "x" * 10_000})
    is_reading, may_read = threading.Event(), threading.Event()
    read = ConnectorHeaders.of

    def read_slowly(headers: Any) -> ConnectorHeaders:
        is_reading.set()
        may_read.wait(30)
        return read(headers)

    async with asyncio.timeout(30), bench.serving():
        bench.gateway.offer(job)
        await bench.gateway.until(lambda: bool(bench.gateway.tried))
        await asyncio.wait([running_task("job 5")])
        monkeypatch.setattr(ConnectorHeaders, "of", read_slowly)
        bench.gateway.offer(job)
        await asyncio.to_thread(is_reading.wait, 30)
        running_task("job 5").cancel()  # as at the end of the grace period
        await asyncio.sleep(0)
        may_read.set()
    assert [command.name for command in bench.gateway.taken] == ["complete"]
    assert bench.handler.runs == 1
