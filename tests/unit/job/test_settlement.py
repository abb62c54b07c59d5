from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from testkit.jobs import make_job
from testkit.scripted_gateway import Command, Fault, ScriptedGateway
from testkit.skipping_clock import now, on_skipping_clock

from worker.job.engine_errors import CommandRefused, GatewayUnavailable, JobGone
from worker.job.lease import Lease
from worker.job.outcome import Completed, Failed, Outcome, Returned
from worker.job.settlement import settle

JOB = make_job(key=7, retries=3)
AWAY = GatewayUnavailable("UNAVAILABLE")
DONE = Completed({"mail": 1})


async def settled(gateway: ScriptedGateway, outcome: Outcome, *, lease_seconds: float = 60.0) -> Outcome:
    return await settle(JOB, outcome, gateway=gateway, lease=Lease(gateway, JOB.key, lease_seconds))


@pytest.mark.parametrize(
    ("outcome", "command"),
    [
        (DONE, Command("complete", 7, {"variables": {"mail": 1}}, at=0)),
        (
            Failed("TIMEOUT", "TIMEOUT: slow", 2, 10.0, {"a": 1}),
            Command(
                "fail",
                7,
                {"retries": 2, "message": "TIMEOUT: slow", "backoff_seconds": 10.0, "variables": {"a": 1}},
                at=0,
            ),
        ),
        (
            Returned("Full.", 1.5),
            Command(
                "fail", 7, {"retries": 3, "message": "Full.", "backoff_seconds": 1.5, "variables": {}}, at=0
            ),
        ),
    ],
)
@on_skipping_clock
async def test_each_outcome_is_one_command(outcome: Outcome, command: Command) -> None:
    gateway = ScriptedGateway()
    assert await settled(gateway, outcome) == outcome
    assert gateway.tried == [command]


@on_skipping_clock
async def test_each_repetition_is_told_to_who_counts_them() -> None:
    gateway, delays = ScriptedGateway(), 0
    gateway.script("complete", *[AWAY] * 3)

    def count() -> None:
        nonlocal delays
        delays += 1

    await settle(JOB, DONE, gateway=gateway, lease=Lease(gateway, JOB.key, 60.0), on_delay=count)
    assert delays == 3


@on_skipping_clock
async def test_the_command_is_repeated_with_growing_pauses_until_the_gateway_takes_it() -> None:
    gateway = ScriptedGateway()
    gateway.script("complete", *[AWAY] * 8)
    await settled(gateway, DONE)
    assert len(gateway.tried) == 9
    pauses = [later.at - earlier.at for earlier, later in pairwise(gateway.tried)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5], abs=0.01)


@on_skipping_clock
async def test_a_lost_answer_is_asked_for_again() -> None:
    gateway = ScriptedGateway()
    gateway.script("complete", Fault.ANSWER_LOST, JobGone("NOT_FOUND"))
    with pytest.raises(JobGone):
        await settled(gateway, DONE)
    assert len(gateway.taken) == 1


@on_skipping_clock
async def test_the_command_is_given_up_when_the_lease_has_ended_and_not_before() -> None:
    gateway = ScriptedGateway()
    gateway.always("complete", AWAY)
    with pytest.raises(GatewayUnavailable):
        await settled(gateway, DONE)
    assert 60 <= now() < 66


@on_skipping_clock
async def test_an_outcome_of_an_ended_lease_is_still_offered_once() -> None:
    gateway = ScriptedGateway()
    lease = Lease(gateway, JOB.key, 1.0)
    await asyncio.sleep(2)
    await settle(JOB, DONE, gateway=gateway, lease=lease)
    assert len(gateway.taken) == 1


@on_skipping_clock
async def test_a_job_that_is_gone_is_not_asked_about_again() -> None:
    gateway = ScriptedGateway()
    gateway.script("complete", JobGone("NOT_FOUND"))
    with pytest.raises(JobGone):
        await settled(gateway, DONE)
    assert len(gateway.tried) == 1


@on_skipping_clock
async def test_a_result_that_the_engine_refuses_becomes_an_incident() -> None:
    gateway = ScriptedGateway()
    gateway.script("complete", AWAY, CommandRefused("INVALID_ARGUMENT: not a document"))
    gateway.script("fail", AWAY)
    told = await settled(gateway, DONE)
    assert isinstance(told, Failed)
    assert (told.code, told.retries) == ("RESULT_REFUSED", 0)
    assert "not a document" in told.message
    (command,) = gateway.taken
    assert (command.name, command.fields["retries"]) == ("fail", 0)


@on_skipping_clock
async def test_a_refusal_that_quotes_the_result_is_cut() -> None:
    gateway = ScriptedGateway()
    gateway.script("complete", CommandRefused("INVALID_ARGUMENT: " + "x" * 4_000_000))
    await settled(gateway, DONE)
    assert len(gateway.taken[0].fields["message"]) <= 2_000


@on_skipping_clock
async def test_a_failure_that_the_engine_refuses_too_is_not_repeated_for_ever() -> None:
    gateway = ScriptedGateway()
    gateway.always("complete", CommandRefused("no"))
    gateway.always("fail", CommandRefused("no"))
    with pytest.raises(CommandRefused):
        await settled(gateway, DONE)
    assert len(gateway.tried) == 2


FAILED = Failed("TIMEOUT", "TIMEOUT: slow", 2, 10.0)


@on_skipping_clock
async def test_a_failure_is_not_reported_after_a_pause_in_which_the_lease_has_ended() -> None:
    """It would end the attempt of the worker that has the job by then."""
    gateway = ScriptedGateway()
    gateway.script("fail", *[AWAY] * 7)
    with pytest.raises(JobGone):
        await settled(gateway, FAILED, lease_seconds=6.5)
    assert gateway.taken == []
    assert all(command.at < 6.5 for command in gateway.tried)


@pytest.mark.parametrize(
    "outcome", [FAILED, Returned("Full.", 25.0), Returned("The worker is shutting down.")]
)
@on_skipping_clock
async def test_a_report_that_may_be_accepted_is_not_repeated_once_camunda_hands_the_job_out_again(
    outcome: Failed | Returned,
) -> None:
    gateway = ScriptedGateway()
    gateway.always("fail", Fault.ANSWER_LOST)
    with pytest.raises(JobGone):
        await settled(gateway, outcome)
    # A report that is on its way for ten seconds arrives before the job is handed out again.
    assert all(command.at == 0 or command.at + 10 < outcome.backoff_seconds for command in gateway.tried)


@on_skipping_clock
async def test_a_report_that_was_refused_for_the_moment_is_repeated_however_short_its_backoff() -> None:
    gateway = ScriptedGateway()
    gateway.script("fail", *[AWAY] * 7)
    await settled(gateway, Returned("Full."))
    assert len(gateway.taken) == 1


@pytest.mark.parametrize(
    ("outcome", "is_done"), [(FAILED, True), (Failed("UNKNOWN", "UNKNOWN: perhaps", 0), False), (DONE, False)]
)
@on_skipping_clock
async def test_a_report_that_ends_no_attempt_or_tells_of_an_effect_is_repeated_all_the_same(
    outcome: Outcome, is_done: bool
) -> None:
    gateway = ScriptedGateway()
    for name in ("complete", "fail"):
        gateway.script(name, *[Fault.HANGS] * 3)
    lease = Lease(gateway, JOB.key, 60.0)
    await settle(JOB, outcome, gateway=gateway, lease=lease, is_done=is_done)
    assert len(gateway.tried) == 4
