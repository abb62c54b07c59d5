"""One job in, one command out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import replace

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from testkit.job_bench import JOB_TIMEOUT_SECONDS, LISTED, SENT, Bench, LetterResult
from testkit.jobs import TASK_TYPE, make_job, variables_for
from testkit.scripted_gateway import Fault
from testkit.skipping_clock import now, on_skipping_clock

from worker.errors import AuthenticationFailed, ServerTimeout
from worker.job.engine_errors import CommandRefused, GatewayUnavailable, JobGone
from worker.job.headers import ConnectorHeaders
from worker.mail.operation_result import OperationResult

AWAY = GatewayUnavailable("UNAVAILABLE")
HEADERS = {"resultVariable": "mail"}


@on_skipping_clock
async def test_a_job_is_done_and_completed_with_its_result() -> None:
    bench = Bench()
    async with bench.serving():
        bench.gateway.offer(make_job(key=5, headers=HEADERS))
        (command,) = await bench.gateway.until_taken(1)
    assert (command.name, command.job_key) == ("complete", 5)
    assert command.fields["variables"] == {"mail": {"text": "sent"}}
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_without_a_header_the_process_gets_no_variable() -> None:
    bench = Bench()
    async with bench.serving():
        bench.gateway.offer(make_job())
        (command,) = await bench.gateway.until_taken(1)
    assert command.fields["variables"] == {}


@on_skipping_clock
async def test_a_completion_is_repeated_while_the_gateway_is_away_and_the_work_is_not() -> None:
    bench = Bench()
    bench.gateway.script("complete", AWAY, Fault.HANGS, AWAY)
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.gateway.until_taken(1)
    assert [command.name for command in bench.gateway.tried] == ["complete"] * 4
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_a_completion_that_is_never_taken_is_given_up_at_the_deadline() -> None:
    bench = Bench()
    bench.gateway.always("complete", GatewayUnavailable("INTERNAL"))
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(make_job())
            await bench.gateway.until(lambda: len(bench.gateway.tried) > 5)
            await asyncio.sleep(JOB_TIMEOUT_SECONDS * 2)
            ended_after = bench.gateway.tried[-1].at
    assert JOB_TIMEOUT_SECONDS - 5 <= ended_after <= JOB_TIMEOUT_SECONDS + 5
    assert bench.gateway.extended == []
    assert [line["log_level"] for line in logs if line["event"] == "outcome_not_reported"] == ["error"]


@pytest.mark.parametrize(("characters", "is_apart"), [(100, False), (10_000, True)])
async def test_headers_with_long_names_are_read_outside_of_the_event_loop(
    characters: int, is_apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, threads = ConnectorHeaders.of, []

    def noted(headers: Mapping[str, str]) -> ConnectorHeaders:
        threads.append(threading.current_thread())
        return read(headers)

    monkeypatch.setattr(ConnectorHeaders, "of", noted)
    bench = Bench()
    async with asyncio.timeout(30), bench.serving():
        bench.gateway.offer(make_job(headers={"n" * characters: "x"}))
        await bench.gateway.until_taken(1)
    assert (threads != [threading.main_thread()]) is is_apart


@on_skipping_clock
async def test_the_code_of_a_bpmn_error_is_never_logged_as_it_may_be_any_text() -> None:
    bench = Bench()
    bench.gateway.always("throw_error", GatewayUnavailable("INTERNAL"))
    with capture_logs() as logs:
        async with bench.serving():
            expressions = {
                "resultExpression": "={said: response.text}",
                "errorExpression": '=bpmnError("text: " + said)',
            }
            bench.gateway.offer(make_job(headers=expressions))
            await bench.gateway.until(lambda: len(bench.gateway.tried) > 5)
            await asyncio.sleep(JOB_TIMEOUT_SECONDS * 2)
    assert [line["outcome"] for line in logs if line["event"] == "outcome_not_reported"] == ["BPMN_ERROR"]
    assert "text: sent" not in str(logs)


@on_skipping_clock
async def test_what_camunda_says_of_a_result_that_it_refuses_is_masked_and_has_a_bound() -> None:
    bench = Bench()
    bench.gateway.always("complete", CommandRefused("hunter2-Xyz\nhas no room " * 1_000))
    async with bench.serving():
        authentication = {"username": "ann", "password": "hunter2-Xyz"}
        bench.gateway.offer(make_job(variables=variables_for() | {"authentication": authentication}))
        (command,) = await bench.gateway.until_taken(1)
    assert "Camunda refused the result (*** has no room *** has no room" in command.fields["message"]
    assert "hunter2" not in command.fields["message"]
    assert len(command.fields["message"]) < 1_500


@on_skipping_clock
async def test_pauses_grow_from_the_first_attempt_however_many_retries_there_are() -> None:
    bench = Bench()
    bench.handler.script.extend([ServerTimeout("Slow.")] * 3)
    async with bench.serving():
        for taken, retries in enumerate((6, 5, 4), 1):
            bench.gateway.offer(make_job(key=1, retries=retries))
            commands = await bench.gateway.until_taken(taken)
    first, second, third = (command.fields["backoff_seconds"] for command in commands)
    assert 8 <= first <= 12
    assert 128 <= second <= 192
    assert 2_048 <= third <= 3_072


@on_skipping_clock
async def test_a_failure_is_repeated_while_the_gateway_is_away() -> None:
    bench = Bench()
    bench.handler.script.append(ServerTimeout("Slow."))
    bench.gateway.script("fail", AWAY, AWAY)
    async with bench.serving():
        bench.gateway.offer(make_job(retries=3))
        (command,) = await bench.gateway.until_taken(1)
    assert (command.name, command.fields["retries"]) == ("fail", 2)
    assert command.fields["message"].startswith(f"TIMEOUT in {TASK_TYPE}: Slow; ")
    assert 8 <= command.fields["backoff_seconds"] <= 12
    assert bench.handler.runs == 1


@on_skipping_clock
async def test_a_permanent_failure_is_an_incident_immediately() -> None:
    bench = Bench()
    bench.handler.script.append(AuthenticationFailed("No."))
    async with bench.serving():
        bench.gateway.offer(make_job(retries=3))
        (command,) = await bench.gateway.until_taken(1)
    assert (command.fields["retries"], command.fields["backoff_seconds"]) == (0, 0)


@on_skipping_clock
async def test_a_failed_attempt_is_a_warning_and_an_incident_an_error_with_what_to_look_for() -> None:
    bench = Bench()
    bench.handler.script.extend([ServerTimeout("Slow."), ServerTimeout("Slow.")])
    with capture_logs(processors=[merge_contextvars]) as logs:
        async with bench.serving():
            bench.gateway.offer(replace(make_job(key=1, retries=2), tenant_id="sales"))
            await bench.gateway.until_taken(1)
            bench.gateway.offer(replace(make_job(key=1, retries=1), tenant_id="sales"))
            await bench.gateway.until_taken(2)
    first, second = (line for line in logs if line["event"] == "job_ended")
    assert (first["log_level"], first["retries"], first["incident"]) == ("warning", 1, False)
    assert (second["log_level"], second["retries"], second["incident"]) == ("error", 0, True)
    for line in (first, second):
        assert line["code"] == "TIMEOUT"
        assert line["message"].startswith(f"TIMEOUT in {TASK_TYPE}: Slow; ")
        assert line["bpmn_process_id"] == make_job().bpmn_process_id
        assert line["tenant_id"] == "sales"


@on_skipping_clock
async def test_bad_input_is_an_incident_and_no_mail_server_is_asked() -> None:
    bench = Bench()
    async with bench.serving():
        bench.gateway.offer(make_job(variables={"server": {"host": "h", "prot": 25}}))
        (command,) = await bench.gateway.until_taken(1)
    assert command.fields["retries"] == 0
    assert command.fields["message"].startswith(f"INVALID_INPUT in {TASK_TYPE}: server.prot is not a field")
    assert bench.handler.runs == 0


@on_skipping_clock
async def test_a_missing_secret_is_an_incident() -> None:
    bench = Bench()
    async with bench.serving():
        bench.gateway.offer(make_job(variables=variables_for("{{secrets.HOST}}")))
        (command,) = await bench.gateway.until_taken(1)
    assert command.fields["message"].startswith(f"SECRET_NOT_FOUND in {TASK_TYPE}: The secret HOST")


@on_skipping_clock
async def test_a_job_that_is_gone_is_logged_and_dropped() -> None:
    bench = Bench()
    bench.gateway.script("complete", JobGone("NOT_FOUND: no such job"))
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(make_job())
            await bench.gateway.until(lambda: len(bench.gateway.tried) == 1)
    assert len(bench.gateway.tried) == 1
    assert [line["log_level"] for line in logs if line["event"] == "job_gone"] == ["warning"]


@on_skipping_clock
async def test_the_deadline_moves_ahead_as_long_as_the_handler_runs() -> None:
    bench = Bench()
    bench.handler.shut()
    async with bench.serving():
        bench.gateway.offer(make_job(key=5))
        await bench.gateway.until(lambda: len(bench.gateway.extended) == 9)
        assert now() == pytest.approx(180, abs=1)
        bench.handler.open()
        await bench.gateway.until_taken(1)
    assert {command.job_key for command in bench.gateway.extended} == {5}


@on_skipping_clock
async def test_a_result_that_is_too_large_is_an_incident() -> None:
    bench = Bench(max_result_bytes=200)
    bench.handler.script.append(OperationResult(LetterResult(text="x" * 200)))
    async with bench.serving():
        bench.gateway.offer(make_job(headers=HEADERS))
        (command,) = await bench.gateway.until_taken(1)
    assert command.fields["retries"] == 0
    assert command.fields["message"].startswith("RESULT_TOO_LARGE")


@on_skipping_clock
async def test_a_result_that_the_engine_does_not_take_is_an_incident() -> None:
    bench = Bench()
    bench.gateway.script("complete", CommandRefused("INVALID_ARGUMENT: too deep"))
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(make_job())
            (command,) = await bench.gateway.until_taken(1)
    assert (command.name, command.fields["retries"]) == ("fail", 0)
    assert command.fields["message"].startswith("RESULT_REFUSED")
    assert [line["outcome"] for line in logs if line["event"] == "job_ended"] == ["RESULT_REFUSED"]


@on_skipping_clock
async def test_an_engine_that_takes_no_command_at_all_does_not_end_the_worker() -> None:
    bench = Bench()
    bench.gateway.script("complete", CommandRefused("no"))
    bench.gateway.script("fail", CommandRefused("no"))
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(make_job())
            await bench.gateway.until(lambda: len(bench.gateway.tried) == 2)
            bench.gateway.offer(make_job(key=9))
            (command,) = await bench.gateway.until_taken(1)
    assert command.job_key == 9
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["job_crashed"]


@on_skipping_clock
async def test_an_unforeseen_exception_is_an_incident_without_its_text_and_a_trace_in_the_log() -> None:
    bench = Bench()
    bench.handler.script.append(KeyError("hunter2"))
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(make_job())
            (command,) = await bench.gateway.until_taken(1)
    assert command.fields["retries"] == 0
    assert command.fields["message"].startswith("INTERNAL_ERROR")
    assert "hunter2" not in command.fields["message"]
    (line,) = [line for line in logs if line["event"] == "job_failed_unexpectedly"]
    assert line["log_level"] == "error"
    assert line["exc_info"]


@on_skipping_clock
async def test_no_command_carries_a_secret_that_a_server_echoes() -> None:
    bench = Bench(secrets={"PASSWORD": "unused", "SECRET_HOST": "secret.example.com"}, max_jobs_per_server=1)
    bench.handler.shut()
    bench.handler.script.extend(
        [AuthenticationFailed("535 alice/hunter2 at secret.example.com"), SENT, LISTED]
    )
    variables = variables_for("{{secrets.HOST}}")
    async with bench.serving():
        bench.gateway.offer(make_job(variables=variables))
        await bench.until_running(1)
        bench.gateway.offer(make_job(variables=variables))
        await bench.gateway.until_taken(1)
        bench.handler.open()
        full, failed = await bench.gateway.until_taken(2)
    assert full.fields["message"] == "***:587 does not answer; the job is retried later."
    assert f"AUTHENTICATION_FAILED in {TASK_TYPE}: 535 alice/*** at ***; " in failed.fields["message"]


@on_skipping_clock
async def test_a_job_is_named_the_same_on_every_attempt_and_apart_from_all_others() -> None:
    bench = Bench()
    bench.handler.script.append(ServerTimeout("Slow."))
    async with bench.serving():
        for number, job in enumerate(
            [
                make_job(key=1, retries=3),
                make_job(key=1, retries=2),
                make_job(key=2),
                make_job(key=1, element_instance_key=31, variables=variables_for("other")),
            ]
        ):
            bench.gateway.offer(job)
            await bench.gateway.until_taken(number + 1)
    first, second, other_job, other_cluster = bench.handler.references
    assert first == second
    assert len({first, other_job, other_cluster}) == 3
    assert first.startswith("1.")
