"""The engine hands a job out again: what was sent is never sent again."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from structlog.testing import capture_logs
from testkit.job_bench import JOB_TIMEOUT_SECONDS, LISTED, SENT, Bench, LetterResult, Script
from testkit.jobs import TASK_TYPE, make_job
from testkit.scripted_gateway import Fault
from testkit.skipping_clock import on_skipping_clock

from worker.errors import SendOutcomeUnknown, ServerTimeout
from worker.job.engine_errors import CommandRefused, GatewayUnavailable, JobGone
from worker.mail.operation_result import OperationResult

AWAY = GatewayUnavailable("UNAVAILABLE")
UNKNOWN = SendOutcomeUnknown("The mail may be out.", messageId="<1@x>")
JOB = make_job(key=5, retries=3, headers={"resultVariable": "mail"})


def events(logs: Iterable[Mapping[str, Any]]) -> list[str]:
    return [line["event"] for line in logs]


@on_skipping_clock
async def test_a_sent_mail_whose_completion_never_got_through_is_completed_when_the_job_returns() -> None:
    bench = Bench()
    bench.gateway.always("complete", AWAY)
    bench.gateway.always("extend", AWAY)
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(JOB)
            await bench.gateway.until(lambda: "outcome_not_reported" in events(logs))
            bench.gateway.come_back()
            bench.gateway.offer(JOB)
            (command,) = await bench.gateway.until_taken(1)
    assert (command.name, command.fields["variables"]) == ("complete", {"mail": {"text": "sent"}})
    assert bench.handler.runs == 1
    assert "job_already_done" in events(logs)


@on_skipping_clock
async def test_a_list_whose_completion_never_got_through_is_simply_listed_again() -> None:
    bench = Bench()
    bench.handler.script.extend([LISTED, LISTED])
    bench.gateway.always("complete", AWAY)
    bench.gateway.always("extend", AWAY)
    async with bench.serving():
        bench.gateway.offer(JOB)
        await asyncio.sleep(100)
        bench.gateway.come_back()
        bench.gateway.offer(JOB)
        await bench.gateway.until_taken(1)
    assert bench.handler.runs == 2


@on_skipping_clock
async def test_a_send_of_unknown_outcome_is_never_repeated_when_its_failure_did_not_get_through() -> None:
    bench = Bench()
    bench.handler.script.append(UNKNOWN)
    bench.gateway.always("fail", AWAY)
    bench.gateway.always("extend", AWAY)
    async with bench.serving():
        bench.gateway.offer(JOB)
        await asyncio.sleep(100)
        bench.gateway.come_back()
        bench.gateway.offer(JOB)
        (command,) = await bench.gateway.until_taken(1)
    assert (command.name, command.fields["retries"]) == ("fail", 0)
    assert command.fields["message"].startswith(f"SEND_OUTCOME_UNKNOWN in {TASK_TYPE}: The mail may be out; ")
    assert bench.handler.runs == 1


def delivery_to_one_of_two(bench: Bench) -> tuple[Script, Script]:
    """An attempt that reaches one of two and fails, and one that tells who had the email before."""

    async def reach_one_of_two() -> OperationResult:
        bench.handler.delivered.add("ann@example.com")
        raise ServerTimeout("Slow.")

    async def tell_who_has_it() -> OperationResult:
        return OperationResult(LetterResult(text=",".join(bench.handler.delivered)))

    return reach_one_of_two, tell_who_has_it


@on_skipping_clock
async def test_who_has_the_email_is_remembered_when_the_failure_did_not_get_through() -> None:
    bench = Bench()
    reach_one_of_two, tell_who_has_it = delivery_to_one_of_two(bench)
    bench.handler.script.extend([reach_one_of_two, tell_who_has_it, tell_who_has_it])
    bench.gateway.always("fail", AWAY)
    bench.gateway.always("extend", AWAY)
    async with bench.serving():
        bench.gateway.offer(JOB)
        await asyncio.sleep(100)
        bench.gateway.come_back()
        for taken in (1, 2):  # once Camunda has stored that the job is done, it is new work
            bench.gateway.offer(JOB)
            commands = await bench.gateway.until_taken(taken)
    texts = [command.fields["variables"]["mail"]["text"] for command in commands]
    assert texts == ["ann@example.com", ""]


@on_skipping_clock
async def test_who_has_the_email_is_not_remembered_twice_once_camunda_has_stored_it() -> None:
    bench = Bench()
    reach_one_of_two, tell_who_has_it = delivery_to_one_of_two(bench)
    bench.handler.script.extend([reach_one_of_two, tell_who_has_it, reach_one_of_two, tell_who_has_it])
    refused = CommandRefused("INVALID_ARGUMENT: too large")
    async with bench.serving():
        for taken, fault in ((1, None), (3, refused)):
            bench.gateway.script("fail", fault)
            bench.gateway.offer(JOB)
            await bench.gateway.until_taken(taken)
            bench.gateway.offer(replace(JOB, retries=JOB.retries - 1))  # without the variable of the failure
            commands = await bench.gateway.until_taken(taken + 1)
    texts = [each.fields["variables"]["mail"]["text"] for each in commands if each.name == "complete"]
    assert texts == ["", "ann@example.com"]


@on_skipping_clock
async def test_an_engine_that_lost_its_data_may_use_the_key_of_a_job_again() -> None:
    bench = Bench()

    async def send() -> OperationResult:
        has_it = "ann@example.com" in bench.handler.delivered
        bench.handler.delivered.add("ann@example.com")
        return OperationResult(LetterResult(text="not sent again" if has_it else "sent"), has_effect=True)

    bench.handler.script.extend([send, send])
    bench.gateway.script("complete", JobGone("NOT_FOUND: no such job"))
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.gateway.until(lambda: len(bench.gateway.tried) == 1)
        bench.gateway.offer(replace(JOB, variables={**JOB.variables, "order": "another"}))
        (command,) = await bench.gateway.until_taken(1)
    assert command.fields["variables"] == {"mail": {"text": "sent"}}


@on_skipping_clock
async def test_a_send_of_unknown_outcome_is_not_repeated_when_another_worker_had_the_job() -> None:
    bench = Bench()
    bench.handler.script.append(UNKNOWN)
    bench.gateway.script("fail", JobGone("FAILED_PRECONDITION: it has failed already"))
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.gateway.until(lambda: len(bench.gateway.tried) == 1)
        bench.gateway.offer(replace(JOB, retries=2))
        (command,) = await bench.gateway.until_taken(1)
    assert (command.name, command.fields["retries"]) == ("fail", 0)
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_a_person_who_retries_the_incident_of_an_unknown_outcome_is_obeyed() -> None:
    bench = Bench()
    bench.handler.script.extend([UNKNOWN, SENT])
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.gateway.until_taken(1)
        bench.gateway.offer(replace(JOB, retries=1))
        failed, completed = await bench.gateway.until_taken(2)
    assert (failed.name, completed.name) == ("fail", "complete")
    assert bench.handler.runs == 2


@on_skipping_clock
async def test_a_sent_mail_is_completed_when_another_worker_had_failed_the_job_meanwhile() -> None:
    bench = Bench()
    bench.gateway.script("complete", JobGone("FAILED_PRECONDITION: it has failed already"))
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.gateway.until(lambda: len(bench.gateway.tried) == 1)
        bench.gateway.offer(replace(JOB, retries=2))
        (command,) = await bench.gateway.until_taken(1)
    assert command.name == "complete"
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_a_sent_mail_is_completed_even_when_its_secret_is_gone() -> None:
    variables = {**JOB.variables, "authentication": {"username": "a", "password": "{{secrets.P}}"}}
    job = replace(JOB, variables=variables)
    bench = Bench(secrets={"SECRET_P": "hunter2"})
    bench.gateway.script("complete", JobGone("FAILED_PRECONDITION"))
    async with bench.serving():
        bench.gateway.offer(job)
        await bench.gateway.until(lambda: len(bench.gateway.tried) == 1)
        bench.secrets.clear()
        bench.gateway.offer(job)
        (command,) = await bench.gateway.until_taken(1)
    assert command.name == "complete"


@on_skipping_clock
async def test_an_acknowledged_failure_lets_the_next_attempt_run() -> None:
    bench = Bench()
    bench.handler.script.extend([ServerTimeout("Slow."), SENT])
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.gateway.until_taken(1)
        bench.gateway.offer(replace(JOB, retries=2))
        failed, completed = await bench.gateway.until_taken(2)
    assert (failed.name, completed.name) == ("fail", "complete")
    assert bench.handler.runs == 2


@on_skipping_clock
async def test_a_sent_mail_whose_result_was_too_large_is_not_sent_by_a_retry() -> None:
    bench = Bench(max_result_bytes=200)
    bench.handler.script.append(OperationResult(LetterResult(text="x" * 500), has_effect=True))
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.gateway.until_taken(1)
        bench.gateway.offer(replace(JOB, retries=1))
        commands = await bench.gateway.until_taken(2)
        bench.gateway.offer(replace(JOB, retries=1, headers={}))
        commands = await bench.gateway.until_taken(3)
    assert [command.name for command in commands] == ["fail", "fail", "complete"]
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_corrected_variables_are_new_work() -> None:
    bench = Bench(max_result_bytes=200)
    bench.handler.script.append(OperationResult(LetterResult(text="x" * 500), has_effect=True))
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.gateway.until_taken(1)
        bench.gateway.offer(replace(JOB, variables={**JOB.variables, "parameters": {"text": "new"}}))
        commands = await bench.gateway.until_taken(2)
    assert [command.name for command in commands] == ["fail", "complete"]
    assert bench.handler.runs == 2


@on_skipping_clock
async def test_a_job_handed_out_again_while_it_runs_is_joined() -> None:
    bench = Bench()
    bench.handler.shut()
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(JOB)
            await bench.until_running(1)
            bench.gateway.offer(JOB, JOB)
            await bench.gateway.until(lambda: events(logs).count("job_already_running") == 2)
            bench.handler.open()
            await bench.gateway.until_taken(1)
            await asyncio.sleep(100)
    assert len(bench.gateway.tried) == 1
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_a_joined_job_has_the_deadline_of_its_newest_activation() -> None:
    bench = Bench()
    bench.handler.shut()
    bench.gateway.always("extend", AWAY)
    bench.gateway.always("complete", AWAY)
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.until_running(1)
        await asyncio.sleep(61)
        bench.gateway.offer(JOB)
        await asyncio.sleep(50)
        bench.handler.open()
        await asyncio.sleep(5)
        bench.gateway.come_back()
        await bench.gateway.until_taken(1)
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_a_run_does_not_go_on_with_a_job_that_another_worker_has_failed_meanwhile() -> None:
    bench = Bench()
    bench.handler.script.extend([ServerTimeout("Slow."), SENT])
    bench.handler.shut()
    bench.gateway.always("extend", AWAY)
    changed = replace(JOB, retries=JOB.retries - 1, variables={**JOB.variables, "emailDelivered": {}})
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.until_running(1)
        await asyncio.sleep(61)
        bench.gateway.offer(changed)
        await asyncio.sleep(5)
        bench.handler.open()
        await asyncio.sleep(5)
        bench.gateway.come_back()
        (command,) = await bench.gateway.until_taken(1)
    assert command.name == "complete"
    assert bench.handler.runs == 2
    assert not any(tried.name == "fail" for tried in bench.gateway.tried)


@on_skipping_clock
async def test_a_job_joined_to_a_run_that_fails_is_run_again_only_when_the_engine_hands_it_out() -> None:
    bench = Bench()
    bench.handler.script.extend([ServerTimeout("Slow."), SENT])
    bench.handler.shut()
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.until_running(1)
        bench.gateway.offer(JOB, JOB)
        await asyncio.sleep(1)
        bench.handler.open()
        # An extension would be taken here, as it would be for a job that another worker has by now.
        await asyncio.sleep(100)
        assert [command.name for command in bench.gateway.taken] == ["fail"]
        bench.gateway.offer(JOB)
        await bench.gateway.until_taken(2)
    assert [command.name for command in bench.gateway.taken] == ["fail", "complete"]
    assert bench.handler.runs == 2


@on_skipping_clock
async def test_a_completion_whose_answer_is_lost_is_not_done_again() -> None:
    bench = Bench()
    bench.gateway.script("complete", Fault.ANSWER_LOST, JobGone("NOT_FOUND"))
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.gateway.until(lambda: len(bench.gateway.tried) == 2)
    assert len(bench.gateway.taken) == 1
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_of_a_send_of_unknown_outcome_no_email_stays_in_memory() -> None:
    """What is remembered is an error, whose traceback would keep all that was at work."""

    class Email:
        pass

    bench, emails = Bench(), list[weakref.ref[Email]]()

    async def breaks() -> OperationResult:
        email = Email()
        emails.append(weakref.ref(email))
        raise SendOutcomeUnknown("Nobody knows.")

    bench.handler.script.append(breaks)
    bench.gateway.always("fail", AWAY)
    job = make_job()
    async with bench.serving():
        bench.gateway.offer(job)
        await bench.gateway.until(lambda: bool(bench.gateway.tried))
        await asyncio.sleep(JOB_TIMEOUT_SECONDS * 2)
        gc.collect()
        assert [email() for email in emails] == [None]
        bench.gateway.come_back()
        bench.gateway.offer(job)
        await bench.gateway.until_taken(1)
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_a_joined_job_whose_failure_camunda_already_has_does_not_run_before_its_backoff() -> None:
    """It is another worker's perhaps, as soon as its backoff has passed."""
    bench = Bench()
    bench.handler.shut()
    bench.handler.script.append(ServerTimeout("Slow."))
    bench.gateway.script("fail", Fault.ANSWER_LOST, JobGone("FAILED_PRECONDITION: the job is failed"))
    async with bench.serving():
        bench.gateway.offer(JOB)
        await bench.until_running(1)
        bench.gateway.offer(JOB)  # handed out again, as an extension came too late
        await asyncio.sleep(1)
        bench.handler.open()
        await asyncio.sleep(JOB_TIMEOUT_SECONDS * 2)
    assert bench.handler.runs == 1
    assert [command.name for command in bench.gateway.taken] == ["fail"]
