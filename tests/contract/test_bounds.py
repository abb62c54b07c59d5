"""How many jobs at once: over all task types, and at one mail server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs
from testkit.job_bench import SENT, Bench
from testkit.jobs import SECOND_TASK_TYPE, TASK_TYPE, make_job, variables_for
from testkit.scripted_gateway import ScriptedGateway
from testkit.skipping_clock import now, on_skipping_clock

from worker.errors import ServerTimeout
from worker.job.gateway import Subscription
from worker.job.job import Job
from worker.mail.account import Encryption, MailProtocol
from worker.mail.command_trace import traced
from worker.mail.operation_result import OperationResult


@on_skipping_clock
async def test_the_limit_of_running_jobs_applies_over_all_job_types() -> None:
    bench = Bench(max_jobs=4)

    async def takes_a_second() -> OperationResult:
        await asyncio.sleep(1)
        return SENT

    bench.handler.script.extend([takes_a_second] * 40)
    jobs = [make_job(type=task_type) for task_type in (TASK_TYPE, SECOND_TASK_TYPE) for _ in range(20)]
    async with bench.serving():
        bench.gateway.offer(*jobs)
        await bench.gateway.until_taken(40)
    assert bench.handler.most_running == 4
    assert Counter(command.name for command in bench.gateway.taken) == {"complete": 40}
    assert {command.job_key for command in bench.gateway.taken} == {job.key for job in jobs}


@on_skipping_clock
async def test_a_full_worker_asks_for_no_jobs_and_goes_on_as_soon_as_there_is_room() -> None:
    bench = Bench(max_jobs=1, task_types=(TASK_TYPE,))
    bench.handler.shut()
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.until_running(1)
        await asyncio.sleep(100)
        assert len(bench.gateway.polls) == 1
        bench.gateway.offer(make_job())
        bench.handler.open()
        opened_at = now()
        await bench.gateway.until_taken(2)
        assert now() - opened_at < 0.1


@on_skipping_clock
async def test_a_gateway_that_waits_for_no_job_is_asked_four_times_a_second_and_no_more() -> None:
    class Impatient(ScriptedGateway):
        async def activate(self, subscription: Subscription, *, max_jobs: int) -> AsyncIterator[Job]:
            assert len(self.polls) < 1_000, "asked again and again"
            async for job in super().activate(replace(subscription, poll_seconds=0), max_jobs=max_jobs):
                yield job

    bench = Bench(gateway=Impatient(), task_types=(TASK_TYPE,))
    async with bench.serving():
        await asyncio.sleep(10)
        assert 40 <= len(bench.gateway.polls) <= 46
        offered_at = now()
        bench.gateway.offer(make_job())
        await bench.gateway.until_taken(1)
        assert now() - offered_at < 0.3


@on_skipping_clock
async def test_places_that_become_free_shortly_after_each_other_are_asked_for_together() -> None:
    async def end_after(seconds: float) -> OperationResult:
        await asyncio.sleep(seconds)
        return SENT

    bench = Bench(max_jobs=8, task_types=(TASK_TYPE,))
    bench.handler.shut()
    bench.handler.script.extend(partial(end_after, number / 2_000) for number in range(1, 9))
    async with bench.serving():
        bench.gateway.offer(*(make_job() for _ in range(16)))
        await bench.until_running(8)
        polls = len(bench.gateway.polls)
        bench.handler.open()
        await bench.gateway.until_taken(16)
        # One for all of the second eight, and one for what may come after them.
        assert len(bench.gateway.polls) - polls <= 2


@on_skipping_clock
async def test_few_free_places_are_filled_while_slow_jobs_occupy_the_others() -> None:
    bench = Bench(max_jobs=8, task_types=(TASK_TYPE,))
    bench.handler.shut()
    async with bench.serving():
        bench.gateway.offer(*(make_job() for _ in range(7)))
        await bench.until_running(7)
        bench.gateway.offer(make_job())
        await asyncio.wait_for(bench.until_running(8), 1)


@on_skipping_clock
async def test_several_pollers_that_wait_for_one_place_never_ask_for_none() -> None:
    # The gateway asserts that it is asked for at least one job.
    task_types = tuple(f"email.test.{number}" for number in range(10))
    bench = Bench(max_jobs=1, task_types=task_types)
    jobs = [make_job(type=task_type) for task_type in task_types for _ in range(10)]
    async with bench.serving():
        bench.gateway.offer(*jobs)
        await bench.gateway.until_taken(100)
    assert bench.handler.most_running == 1


@on_skipping_clock
async def test_hundreds_of_short_jobs_are_not_slowed_down_by_any_pause() -> None:
    bench = Bench(max_jobs=64, max_jobs_per_server=64)
    async with bench.serving():
        bench.gateway.offer(*(make_job() for _ in range(300)))
        await bench.gateway.until_taken(300)
        assert now() < 0.1


@on_skipping_clock
async def test_a_silent_server_sends_jobs_back_unharmed_and_the_others_go_on() -> None:
    bench = Bench(max_jobs=8, max_jobs_per_server=2)
    bench.handler.shut()
    async with bench.serving():
        bench.gateway.offer(*(make_job(variables=variables_for("slow.example.com")) for _ in range(4)))
        back = list(await bench.gateway.until_taken(2))
        bench.gateway.offer(make_job(key=77, variables=variables_for("quick.example.com")))
        await bench.until_running(3)
        bench.handler.open()
        await bench.gateway.until_taken(5)
    assert [command.name for command in back] == ["fail", "fail"]
    assert [command.fields["retries"] for command in back] == [3, 3]
    assert all(4 <= command.fields["backoff_seconds"] <= 8 for command in back)
    assert back[0].fields["message"] == "slow.example.com:587 does not answer; the job is retried later."
    assert [command.name for command in bench.gateway.taken[2:]] == ["complete"] * 3


@on_skipping_clock
async def test_jobs_that_wait_for_one_mailbox_leave_room_for_others_at_its_server() -> None:
    bench = Bench(max_jobs=16, max_jobs_per_server=8, protocol=MailProtocol.POP3)
    bench.handler.shut()
    other = {**variables_for(), "authentication": {"username": "bob", "password": "hunter3"}}
    async with bench.serving():
        bench.gateway.offer(*(make_job() for _ in range(6)))
        back = list(await bench.gateway.until_taken(2))
        bench.gateway.offer(*(make_job(variables=other) for _ in range(4)))
        await bench.until_running(8)
        bench.handler.open()
        await bench.gateway.until_taken(10)
    assert [command.name for command in back] == ["fail", "fail"]
    assert [command.fields["retries"] for command in back] == [3, 3]
    assert [command.name for command in bench.gateway.taken[2:]] == ["complete"] * 8


@on_skipping_clock
async def test_a_job_that_was_sent_back_runs_when_it_returns() -> None:
    bench = Bench(max_jobs_per_server=1)
    bench.handler.shut()
    second = make_job()
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.until_running(1)
        bench.gateway.offer(second)
        await bench.gateway.until_taken(1)
        bench.handler.open()
        await bench.gateway.until_taken(2)
        bench.gateway.offer(second)
        commands = await bench.gateway.until_taken(3)
    assert [command.name for command in commands] == ["fail", "complete", "complete"]
    assert bench.handler.runs == 2


@on_skipping_clock
async def test_a_server_is_full_by_host_and_port() -> None:
    bench = Bench(max_jobs_per_server=1)
    bench.handler.shut()
    other_port = {**variables_for("a.example.com"), "server": {"host": "a.example.com", "port": 465}}
    async with bench.serving():
        bench.gateway.offer(
            make_job(variables=variables_for("a.example.com")),
            make_job(variables=other_port),
            make_job(variables=variables_for("b.example.com")),
        )
        await bench.until_running(3)
        bench.handler.open()
    assert [command.name for command in bench.gateway.taken] == ["complete"] * 3


@on_skipping_clock
async def test_a_server_that_has_never_answered_is_tried_by_one_job_while_the_others_wait() -> None:
    bench = Bench(max_jobs=64, max_jobs_per_server=64, has_answered=False)

    async def answers_after_a_second() -> OperationResult:
        await asyncio.sleep(1)
        return SENT

    bench.handler.script.append(answers_after_a_second)
    async with bench.serving():
        bench.gateway.offer(*(make_job() for _ in range(60)))
        await bench.until_running(1)
        await asyncio.sleep(0.9)
        assert bench.handler.running == 1
        await bench.gateway.until_taken(60)
    assert {command.name for command in bench.gateway.taken} == {"complete"}


def is_taken(bench: Bench, job_key: int) -> bool:
    return job_key in {command.job_key for command in bench.gateway.taken}


def is_completed(bench: Bench, job_key: int) -> bool:
    return job_key in {command.job_key for command in bench.gateway.taken if command.name == "complete"}


async def hangs() -> OperationResult:
    await asyncio.sleep(30)
    raise ServerTimeout("No answer.")


@on_skipping_clock
async def test_twenty_hanging_servers_with_a_backlog_do_not_delay_another_server() -> None:
    bench = Bench(max_jobs=64, max_jobs_per_server=32, has_answered=False, task_types=(TASK_TYPE,))
    bench.handler.answers_of = lambda account: None if account.host == "healthy" else hangs
    backlog = [make_job(variables=variables_for(f"hanging{n % 20}")) for n in range(2_000)]
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(*backlog)
            for number in range(200):
                await asyncio.sleep(0.5)
                offered_at, key = now(), 1_000_000 + number
                bench.gateway.offer(make_job(key=key, variables=variables_for("healthy")))
                await bench.gateway.until(partial(is_taken, bench, key))
                assert now() - offered_at < 2
    back = [command for command in bench.gateway.taken if command.job_key < 1_000_000]
    assert {command.name for command in back} == {"fail"}
    # Only those that have tried have lost a retry.
    tried = [command for command in back if command.fields["retries"] == 2]
    assert 20 <= len(tried) <= 20 * 4
    opened = [line["server"] for line in logs if line["event"] == "mail_server_unreachable"]
    assert sorted(opened) == sorted(f"hanging{number}:587" for number in range(20))


@on_skipping_clock
async def test_servers_that_stop_answering_with_all_their_jobs_do_not_delay_another_server() -> None:
    bench, hanging = Bench(max_jobs=64, max_jobs_per_server=32, task_types=(TASK_TYPE,)), set[str]()
    bench.handler.answers_of = lambda account: hangs if account.host in hanging else None
    backlog = [make_job(variables=variables_for(f"s{n % 4}")) for n in range(400)]
    async with bench.serving():
        bench.gateway.offer(*backlog[:40])
        await bench.gateway.until_taken(40)
        bench.has_answered = False
        hanging.update(f"s{number}" for number in range(4))
        bench.gateway.offer(*backlog[40:])
        for number in range(10):
            offered_at, key = now(), 1_000_000 + number
            bench.gateway.offer(make_job(key=key, variables=variables_for("healthy")))
            await bench.gateway.until(partial(is_completed, bench, key))
            assert now() - offered_at < 4
            await asyncio.sleep(1)


@on_skipping_clock
@pytest.mark.parametrize("every_seconds", [1.0, 3.0, 12.0])
async def test_a_job_that_takes_long_does_not_delay_the_others_of_its_server(every_seconds: float) -> None:
    bench = Bench(max_jobs=64, max_jobs_per_server=32, task_types=(TASK_TYPE,))

    async def takes_long() -> OperationResult:
        await asyncio.sleep(60)
        return SENT

    bench.handler.script.extend([SENT, takes_long])
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.gateway.until_taken(1)
        bench.has_answered = False
        bench.gateway.offer(make_job())
        await bench.until_running(1)
        for key in range(1_000_000, 1_000_000 + int(50 / every_seconds)):
            await asyncio.sleep(every_seconds)
            offered_at = now()
            bench.gateway.offer(make_job(key=key))
            await bench.gateway.until(partial(is_completed, bench, key))
            assert now() - offered_at < 2.5


def variables_of(username: str, host: str = "mail.example.com") -> dict[str, Any]:
    return {**variables_for(host), "authentication": {"username": username, "password": "hunter2"}}


@on_skipping_clock
async def test_an_account_that_hangs_does_not_delay_the_others_of_its_server() -> None:
    bench = Bench(max_jobs=64, max_jobs_per_server=32, has_answered=False, task_types=(TASK_TYPE,))
    bench.handler.answers_of = lambda account: hangs if account.username == "stuck" else None
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(*(make_job(variables=variables_of("stuck")) for _ in range(200)))
            await bench.gateway.until(
                lambda: any(each.fields["retries"] == 2 for each in bench.gateway.taken)
            )
            for number in range(100):
                await asyncio.sleep(5)
                offered_at, key = now(), 1_000_000 + number
                bench.gateway.offer(
                    make_job(variables=variables_of("stuck")),
                    make_job(key=key, variables=variables_of("well")),
                )
                await bench.gateway.until(partial(is_completed, bench, key))
                assert now() - offered_at < 2
    assert [line["event"] for line in logs].count("mail_server_unreachable") == 1
    tried = [command for command in bench.gateway.taken if command.fields.get("retries") == 2]
    assert len(tried) < 20


@on_skipping_clock
async def test_the_backlog_of_an_account_that_hangs_leaves_its_server_before_the_first_timeout() -> None:
    bench = Bench(max_jobs=64, max_jobs_per_server=32, has_answered=False, task_types=(TASK_TYPE,))
    sessions = asyncio.Semaphore(8)  # as many as an account has by default; the other jobs wait for one
    bench.handler.sends_a_command = False

    async def take_a_session_and_hang() -> OperationResult:
        async with sessions:
            traced(MailProtocol.SMTP, "mail.example.com:587", "NOOP")
            return await hangs()

    bench.handler.answers_of = lambda account: (
        take_a_session_and_hang if account.username == "stuck" else None
    )
    async with bench.serving():
        bench.gateway.offer(make_job(variables=variables_of("well")))
        await bench.gateway.until_taken(1)
        bench.gateway.offer(*(make_job(variables=variables_of("stuck")) for _ in range(100)))
        await bench.until_running(32)
        began_at = now()
        await bench.gateway.until_taken(1 + 100 - 8)
        bench.gateway.offer(make_job(key=1_000_000, variables=variables_of("well")))
        await bench.gateway.until(partial(is_completed, bench, 1_000_000))
        assert now() - began_at < 5
    back = [command.fields["retries"] for command in bench.gateway.taken if command.name == "fail"]
    assert set(back[: 100 - 8]) == {3}


@on_skipping_clock
async def test_an_account_that_hangs_first_at_a_new_server_does_not_delay_the_others() -> None:
    bench = Bench(max_jobs=64, max_jobs_per_server=32, has_answered=False, task_types=(TASK_TYPE,))
    bench.handler.answers_of = lambda account: hangs if account.username == "stuck" else None
    async with bench.serving():
        bench.gateway.offer(*(make_job(variables=variables_of("stuck")) for _ in range(10)))
        await bench.until_running(1)
        for key in range(1_000_000, 1_000_020):
            await asyncio.sleep(3)
            offered_at = now()
            bench.gateway.offer(make_job(key=key, variables=variables_of(f"well{key % 2}")))
            await bench.gateway.until(partial(is_completed, bench, key))
            assert now() - offered_at < 2


@on_skipping_clock
async def test_plain_text_at_a_port_for_tls_holds_up_nobody_who_speaks_tls_there() -> None:
    bench = Bench(max_jobs=64, max_jobs_per_server=32, has_answered=False, task_types=(TASK_TYPE,))
    bench.handler.sends_a_command = False
    bench.handler.answers_of = lambda account: hangs if account.encryption is Encryption.NONE else None
    server = {"host": "mail.example.com", "port": 993}
    in_the_clear = {**variables_for(), "server": {**server, "cryptographicProtocol": "NONE"}}
    async with bench.serving():
        bench.gateway.offer(*(make_job(variables=in_the_clear) for _ in range(200)))
        await bench.until_running(1)
        for key in range(1_000_000, 1_000_040):
            await asyncio.sleep(3)
            offered_at = now()
            bench.gateway.offer(make_job(key=key, variables={**variables_for(), "server": server}))
            await bench.gateway.until(partial(is_completed, bench, key))
            assert now() - offered_at < 0.5


@on_skipping_clock
async def test_servers_that_hang_for_all_of_many_accounts_do_not_delay_another_server() -> None:
    bench = Bench(max_jobs=64, max_jobs_per_server=32, has_answered=False, task_types=(TASK_TYPE,))
    bench.handler.answers_of = lambda account: None if account.host == "healthy" else hangs
    backlog = [make_job(variables=variables_of(f"user{n}", f"hanging{n % 20}")) for n in range(2_000)]
    async with bench.serving():
        bench.gateway.offer(*backlog)
        for number in range(200):
            await asyncio.sleep(2)
            offered_at, key = now(), 1_000_000 + number
            bench.gateway.offer(make_job(key=key, variables=variables_for("healthy")))
            await bench.gateway.until(partial(is_completed, bench, key))
            assert now() - offered_at < 2
    back = [command for command in bench.gateway.taken if command.job_key < 1_000_000]
    tried = [command for command in back if command.fields["retries"] == 2]
    assert 20 <= len(tried) <= 20 * 13


@on_skipping_clock
async def test_jobs_that_have_sent_nothing_leave_a_server_that_has_gone_silent() -> None:
    bench = Bench(max_jobs=64, max_jobs_per_server=32, has_answered=False, task_types=(TASK_TYPE,))
    bench.handler.sends_a_command = False
    async with bench.serving():
        bench.gateway.offer(make_job())
        await bench.gateway.until_taken(1)
        bench.handler.shut()
        bench.gateway.offer(*(make_job() for _ in range(32)))
        await bench.until_running(32)
        await bench.gateway.until_taken(32)
        assert bench.handler.running == 1
    back = [command for command in bench.gateway.taken if command.name == "fail"]
    assert {command.fields["retries"] for command in back} == {3}


@on_skipping_clock
async def test_a_server_that_comes_back_says_so_once_and_gets_all_its_jobs() -> None:
    bench = Bench(has_answered=False)
    bench.handler.script.append(ServerTimeout("No greeting."))
    with capture_logs() as logs:
        async with bench.serving():
            bench.gateway.offer(make_job())
            await bench.gateway.until_taken(1)
            await asyncio.sleep(2)
            bench.gateway.offer(*(make_job() for _ in range(8)))
            await bench.gateway.until_taken(9)
            await asyncio.sleep(60)
            bench.gateway.offer(*(make_job() for _ in range(8)))
            await bench.gateway.until_taken(17)
    events = [line["event"] for line in logs if line["event"].startswith("mail_server_")]
    assert events == ["mail_server_unreachable", "mail_server_recovered"]
