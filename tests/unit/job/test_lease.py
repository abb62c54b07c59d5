from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs
from testkit.scripted_gateway import Fault, ScriptedGateway
from testkit.skipping_clock import on_skipping_clock

from worker.job.engine_errors import CommandRefused, EngineError, GatewayUnavailable, JobGone
from worker.job.lease import Lease

GONE = JobGone("NOT_FOUND")
AWAY = GatewayUnavailable("UNAVAILABLE")


def is_over(lease: Lease) -> bool:
    return lease.is_expired


def lease_on(gateway: ScriptedGateway) -> Lease:
    return Lease(gateway, 7, 60.0)


@on_skipping_clock
async def test_a_lease_ends_when_its_time_is_up() -> None:
    lease = lease_on(ScriptedGateway())
    await asyncio.sleep(59.9)
    assert not is_over(lease)
    await asyncio.sleep(0.2)
    assert is_over(lease)


@on_skipping_clock
async def test_a_lease_that_is_kept_goes_on_and_ends_a_period_after_the_block() -> None:
    gateway = ScriptedGateway()
    lease = lease_on(gateway)
    async with lease.kept():
        await asyncio.sleep(3_610)
        assert not is_over(lease)
    beats = len(gateway.extended)
    assert beats == 3_610 // 20
    assert {(beat.job_key, beat.fields["timeout_seconds"]) for beat in gateway.extended} == {(7, 60.0)}
    await asyncio.sleep(61)
    assert is_over(lease)
    assert len(gateway.extended) == beats


@on_skipping_clock
async def test_a_job_of_less_than_a_third_of_the_period_costs_no_command() -> None:
    gateway = ScriptedGateway()
    async with lease_on(gateway).kept():
        await asyncio.sleep(19)
    assert gateway.extended == []


@on_skipping_clock
async def test_a_gateway_that_is_away_for_a_moment_costs_nothing() -> None:
    gateway = ScriptedGateway()
    gateway.script("extend", AWAY, AWAY)
    lease = lease_on(gateway)
    async with lease.kept():
        await asyncio.sleep(59)
        assert not is_over(lease)
        await asyncio.sleep(60)
        assert not is_over(lease)


@on_skipping_clock
async def test_a_gateway_that_stays_away_ends_the_lease_and_only_a_new_activation_renews_it() -> None:
    gateway = ScriptedGateway()
    gateway.always("extend", AWAY)
    lease = lease_on(gateway)
    async with lease.kept():
        await asyncio.sleep(61)
        assert is_over(lease)
        gateway.come_back()
        await asyncio.sleep(60)
        # An extension would be another worker's by now.
        assert is_over(lease)
        assert gateway.extended == []
        lease.renewed()
        await asyncio.sleep(119)
        assert not is_over(lease)


@on_skipping_clock
async def test_an_extension_that_is_answered_after_the_deadline_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway = ScriptedGateway()
    lease = lease_on(gateway)

    async def answer_late(job_key: int, timeout_seconds: float) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(gateway, "extend", answer_late)
    await asyncio.sleep(45)
    await lease.extend()
    with pytest.raises(JobGone):
        lease.check()


@on_skipping_clock
async def test_the_time_for_which_the_machine_was_suspended_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    lease = lease_on(ScriptedGateway())
    await asyncio.sleep(1)
    lease.check()
    monkeypatch.setattr("worker.job.lease.suspended_seconds", lambda: 60.0)
    with pytest.raises(JobGone):
        lease.check()


@on_skipping_clock
async def test_a_lease_is_over_when_the_engine_has_taken_the_outcome() -> None:
    lease = lease_on(ScriptedGateway())
    lease.end()
    assert is_over(lease)


@on_skipping_clock
async def test_the_period_counts_from_the_question_not_from_a_late_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway = ScriptedGateway()
    lease = lease_on(gateway)
    slow = asyncio.Event()

    async def answer_late(job_key: int, timeout_seconds: float) -> None:
        await slow.wait()

    monkeypatch.setattr(gateway, "extend", answer_late)
    extension = asyncio.create_task(lease.extend())
    await asyncio.sleep(50)
    slow.set()
    await extension
    await asyncio.sleep(11)
    assert is_over(lease)


@pytest.mark.parametrize("refusal", [GONE, CommandRefused("INVALID_ARGUMENT")])
@on_skipping_clock
async def test_a_lease_that_is_lost_says_so_once_and_asks_no_more(refusal: EngineError) -> None:
    gateway = ScriptedGateway()
    gateway.script("extend", refusal)
    with capture_logs() as logs:
        async with lease_on(gateway).kept():
            await asyncio.sleep(600)
    assert [line["event"] for line in logs] == ["job_lease_lost"]
    assert gateway.extended == []


@on_skipping_clock
async def test_a_job_that_is_handed_out_again_renews_the_lease() -> None:
    lease = lease_on(ScriptedGateway())
    await asyncio.sleep(61)
    lease.renewed()
    assert not is_over(lease)
    await asyncio.sleep(61)
    assert is_over(lease)


@pytest.mark.parametrize("error", [GONE, AWAY, CommandRefused("no")])
@on_skipping_clock
async def test_an_extension_that_fails_is_told_to_who_asked(error: EngineError) -> None:
    gateway = ScriptedGateway()
    gateway.script("extend", error)
    with pytest.raises(type(error)):
        await lease_on(gateway).extend()


@on_skipping_clock
async def test_a_beat_that_hangs_does_not_outlive_the_block() -> None:
    gateway = ScriptedGateway()
    gateway.always("extend", Fault.HANGS)
    async with lease_on(gateway).kept():
        await asyncio.sleep(25)
    await asyncio.sleep(0)
    assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({"lease of job 7"})


@on_skipping_clock
async def test_a_new_period_counts_immediately_and_not_after_the_old_one() -> None:
    gateway = ScriptedGateway()
    lease = lease_on(gateway)
    async with lease.kept():
        await asyncio.sleep(1)
        await lease.retime(6.0)
        await asyncio.sleep(5)
    assert [beat.fields["timeout_seconds"] for beat in gateway.extended] == [6.0, 6.0, 6.0]


@on_skipping_clock
async def test_a_job_that_camunda_no_longer_knows_is_no_longer_this_workers() -> None:
    gateway = ScriptedGateway()
    gateway.script("extend", GONE)
    lease = lease_on(gateway)
    async with lease.kept():
        await asyncio.sleep(21)
        with pytest.raises(JobGone):
            lease.check()


@on_skipping_clock
async def test_a_shorter_period_counts_although_the_answer_to_it_is_lost() -> None:
    gateway = ScriptedGateway()
    gateway.always("extend", AWAY)
    lease = lease_on(gateway)
    async with lease.kept():
        await lease.retime(6.0)
        await asyncio.sleep(5.9)
        assert not is_over(lease)
        await asyncio.sleep(0.2)
        assert is_over(lease)


@on_skipping_clock
async def test_a_longer_period_does_not_count_if_the_answer_to_it_is_lost() -> None:
    gateway = ScriptedGateway()
    gateway.always("extend", AWAY)
    lease = lease_on(gateway)
    async with lease.kept():
        await lease.retime(600.0)
        await asyncio.sleep(60.1)
        assert is_over(lease)
