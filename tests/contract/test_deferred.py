"""What is destroyed waits: a mail leaves its server only after the engine has taken the result."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs
from testkit.job_bench import Bench, FakeDeferred, LetterResult
from testkit.jobs import make_job
from testkit.scripted_gateway import Fault
from testkit.skipping_clock import on_skipping_clock

from worker.errors import ConnectionFailed
from worker.job.engine_errors import CommandRefused, GatewayUnavailable, JobGone
from worker.mail.operation_result import OperationResult

AWAY = GatewayUnavailable("UNAVAILABLE")


def bench_with(deferred: FakeDeferred, text: str = "read") -> Bench:
    bench = Bench(max_result_bytes=200)
    bench.handler.script.append(OperationResult(LetterResult(text=text), deferred=deferred))
    return bench


@on_skipping_clock
async def test_it_is_done_once_and_after_the_engine_has_taken_the_completion() -> None:
    deferred = FakeDeferred()
    bench = bench_with(deferred)
    bench.gateway.script("complete", AWAY, AWAY)
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.gateway.until(lambda: len(bench.gateway.tried) == 2)
        assert deferred.ends == []
        await bench.gateway.until_taken(1)
    assert deferred.ends == ["commit"]


@pytest.mark.parametrize("refusal", [JobGone("NOT_FOUND"), CommandRefused("INVALID_ARGUMENT")])
@on_skipping_clock
async def test_it_is_left_once_where_the_engine_does_not_take_the_result(refusal: Exception) -> None:
    deferred = FakeDeferred()
    bench = bench_with(deferred)
    bench.gateway.script("complete", refusal)
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.gateway.until(lambda: len(bench.gateway.tried) >= 1)
    assert deferred.ends == ["abandon"]


@on_skipping_clock
async def test_it_is_left_where_the_engine_takes_nothing_at_all() -> None:
    deferred = FakeDeferred()
    bench = bench_with(deferred)
    bench.gateway.always("complete", CommandRefused("no"))
    bench.gateway.always("fail", CommandRefused("no"))
    with capture_logs():
        async with bench.serving():
            bench.gateway.offer(make_job())
            await bench.gateway.until(lambda: len(bench.gateway.tried) == 2)
    assert deferred.ends == ["abandon"]


@on_skipping_clock
async def test_it_is_left_where_the_result_is_too_large() -> None:
    deferred = FakeDeferred()
    bench = bench_with(deferred, "x" * 500)
    async with bench.serving():
        bench.gateway.offer(make_job(headers={"resultVariable": "mail"}))
        (command,) = await bench.gateway.until_taken(1)
    assert (command.name, command.fields["retries"]) == ("fail", 0)
    assert deferred.ends == ["abandon"]


@on_skipping_clock
async def test_it_is_left_where_the_error_expression_completes_the_job_without_the_result() -> None:
    deferred = FakeDeferred()
    bench = bench_with(deferred, "x" * 500)
    headers = {"resultVariable": "mail", "errorExpression": "=if error = null then null else ignoreError()"}
    async with bench.serving():
        bench.gateway.offer(make_job(headers=headers))
        (command,) = await bench.gateway.until_taken(1)
    assert command.name == "complete"
    assert deferred.ends == ["abandon"]


@on_skipping_clock
async def test_it_is_left_where_the_gateway_stays_away_until_the_lease_ends() -> None:
    deferred = FakeDeferred()
    bench = bench_with(deferred)
    bench.gateway.always("complete", AWAY)
    bench.gateway.always("extend", AWAY)
    async with bench.serving():
        bench.gateway.offer(make_job())
        await asyncio.sleep(100)
        assert deferred.ends == ["abandon"]
    assert deferred.ends == ["abandon"]


@on_skipping_clock
async def test_it_is_left_once_where_the_worker_stops_before_the_engine_has_the_result() -> None:
    deferred = FakeDeferred()
    bench = bench_with(deferred)
    bench.grace_seconds = 1
    bench.gateway.always("complete", Fault.HANGS)
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.gateway.until(lambda: len(bench.gateway.tried) == 1)
    assert deferred.ends == ["abandon"]


@on_skipping_clock
async def test_it_is_done_where_the_engine_takes_the_result_at_the_last_moment() -> None:
    deferred = FakeDeferred()
    bench = bench_with(deferred)
    bench.grace_seconds = 1
    bench.gateway.script("complete", Fault.HANGS, None)
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.gateway.until(lambda: len(bench.gateway.tried) == 1)
    assert [command.name for command in bench.gateway.taken] == ["complete"]
    assert deferred.ends == ["commit"]


@on_skipping_clock
async def test_a_mail_that_could_not_be_removed_is_logged_and_the_job_stays_completed() -> None:
    deferred = FakeDeferred(ConnectionFailed("mail.example.com:995 refused the deletion (canary)."))
    bench = bench_with(deferred)
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(make_job())
            await bench.gateway.until_taken(1)
    assert [command.name for command in bench.gateway.tried] == ["complete"]
    (line,) = [line for line in logs if line["event"] == "email_not_deleted"]
    assert (line["log_level"], line["code"]) == ("error", "CONNECTION_FAILED")
    assert line["server"] == "mail.example.com:587"
    assert "canary" not in str(line)


@on_skipping_clock
async def test_a_removal_that_is_cut_off_by_the_end_of_the_worker_is_logged() -> None:
    deferred = FakeDeferred(takes_seconds=1_000)
    bench = bench_with(deferred)
    bench.grace_seconds = 1
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(make_job())
            await bench.gateway.until_taken(1)
    assert deferred.ends == ["commit"]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["email_not_deleted"]
    assert [line["outcome"] for line in logs if line["event"] == "job_ended"] == ["COMPLETED"]
    assert len(bench.gateway.tried) == 1
