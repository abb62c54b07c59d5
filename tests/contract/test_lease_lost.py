"""A worker whose job may be another worker's by now changes nothing and says nothing."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs
from testkit.job_bench import JOB_TIMEOUT_SECONDS, SENT, Bench
from testkit.jobs import make_job
from testkit.scripted_gateway import Fault
from testkit.skipping_clock import on_skipping_clock

from worker.errors import SendOutcomeUnknown, ServerTimeout
from worker.job.engine_errors import GatewayUnavailable, JobGone
from worker.mail.operation_result import OperationResult

AWAY = GatewayUnavailable("UNAVAILABLE")
JOB = make_job()


def sends_after(bench: Bench, seconds: float, sent: list[str]) -> None:
    async def slowly() -> OperationResult:
        await asyncio.sleep(seconds)
        bench.handler.may_change()
        sent.append("sent")
        return SENT

    bench.handler.script.append(slowly)


@on_skipping_clock
async def test_a_worker_that_is_cut_off_for_longer_than_the_job_timeout_sends_nothing() -> None:
    bench, sent = Bench(), list[str]()
    sends_after(bench, JOB_TIMEOUT_SECONDS + 1, sent)
    bench.gateway.always("extend", AWAY)
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(JOB)
            await bench.until_running(1)
            await bench.until_running(0)
            await asyncio.sleep(100)
    assert sent == []
    assert bench.gateway.tried == []
    assert [line["event"] for line in logs].count("job_gone") == 1


@on_skipping_clock
async def test_a_worker_that_was_cut_off_for_a_moment_sends() -> None:
    bench, sent = Bench(), list[str]()
    sends_after(bench, JOB_TIMEOUT_SECONDS + 1, sent)
    bench.gateway.script("extend", AWAY, Fault.HANGS)
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.gateway.until_taken(1)
    assert sent == ["sent"]


@pytest.mark.parametrize("headers", [{}, {"errorExpression": "=ignoreError()"}])
@on_skipping_clock
async def test_a_failure_after_the_job_timeout_is_not_reported_as_it_would_end_anothers_attempt(
    headers: dict[str, str],
) -> None:
    bench = Bench()

    async def fails_late() -> OperationResult:
        await asyncio.sleep(JOB_TIMEOUT_SECONDS + 1)
        raise ServerTimeout("Slow.")

    bench.handler.script.append(fails_late)
    bench.gateway.always("extend", AWAY)
    async with bench.serving():
        bench.gateway.offer(make_job(headers=headers))
        await bench.until_running(1)
        await bench.until_running(0)
        await asyncio.sleep(100)
    assert bench.gateway.tried == []


@on_skipping_clock
async def test_an_email_that_may_have_been_sent_is_reported_all_the_same() -> None:
    bench = Bench()

    async def breaks_late() -> OperationResult:
        await asyncio.sleep(JOB_TIMEOUT_SECONDS + 1)
        raise SendOutcomeUnknown("Nobody knows.")

    bench.handler.script.append(breaks_late)
    bench.gateway.always("extend", AWAY)
    async with bench.serving():
        bench.gateway.offer(JOB)
        (command,) = await bench.gateway.until_taken(1)
    assert command.fields["retries"] == 0


def two_workers() -> tuple[Bench, Bench]:
    """Two workers of one engine; the first one may finish what it has for long."""
    first, second = Bench(grace_seconds=600), Bench()
    second.gateway = first.gateway
    second.__post_init__()
    return first, second


@on_skipping_clock
async def test_two_workers_one_of_which_was_cut_off_send_once() -> None:
    """Camunda takes an extension from whoever asks: the first worker must not take it for its own."""
    (first, second), sent = two_workers(), list[str]()
    sends_after(first, JOB_TIMEOUT_SECONDS * 2, sent)
    sends_after(second, JOB_TIMEOUT_SECONDS * 2, sent)
    first.gateway.always("extend", AWAY)
    async with first.serving():
        first.gateway.offer(JOB)
        await first.until_running(1)
        first.stop.set()  # it asks for no more jobs, and goes on with this one
        await asyncio.sleep(JOB_TIMEOUT_SECONDS + 1)
        first.gateway.come_back()
        async with second.serving():
            first.gateway.offer(JOB)
            await first.gateway.until_taken(1)
    assert sent == ["sent"]
    assert [command.name for command in first.gateway.tried] == ["complete"]


@on_skipping_clock
async def test_a_failure_whose_answer_was_lost_does_not_end_the_attempt_of_the_next_worker() -> None:
    (first, second), sent = two_workers(), list[str]()
    first.handler.script.append(ServerTimeout("Slow."))
    sends_after(second, 30, sent)
    first.gateway.script("fail", Fault.ANSWER_LOST, *[AWAY] * 7)
    async with first.serving():
        first.gateway.offer(JOB)
        await first.gateway.until_taken(1)
        first.stop.set()  # it asks for no more jobs, and goes on with its report
        await asyncio.sleep(12)  # the backoff of the failure
        async with second.serving():
            first.gateway.offer(make_job(key=JOB.key, retries=JOB.retries - 1))
            await first.gateway.until_taken(2)
    assert sent == ["sent"]
    assert [command.name for command in first.gateway.taken] == ["fail", "complete"]


@on_skipping_clock
async def test_a_run_whose_job_another_worker_has_failed_stays_stopped_when_the_job_comes_back() -> None:
    """A late extension is refused: by then another worker has failed the job, and may have reached some."""
    bench, sent = Bench(), list[str]()
    sends_after(bench, 80, sent)
    bench.gateway.script("extend", AWAY, JobGone("FAILED_PRECONDITION: the job is failed"))
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.until_running(1)
        await asyncio.sleep(40)
        bench.gateway.offer(make_job(key=JOB.key, retries=JOB.retries - 1))
        await bench.until_running(0)
    assert sent == []
