"""A POP3 mail leaves its server only when the engine holds its content: proved by killing one of them."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from testkit.accounts import Account
from testkit.bpmn import one_task_process
from testkit.counting_proxy import CountingProxy, Cut
from testkit.dovecot import Dovecot
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import Dialogue, say, sequence, wait_for
from testkit.wire import Command, Pop3Wire
from testkit.workers import WorkerProcess, serving

from worker.sandbox import Engine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from testkit.certificates import Certificates

LINES = [
    "Message-ID: <order-1@example.com>",
    "From: jane@example.com",
    "Subject: An order",
    "",
    "Ten of them.",
]
MAIL = "".join(f"{line}\r\n" for line in LINES).encode()
PROCESS = one_task_process("read", "email.pop3.read", headers={"resultVariable": "mail"})


@pytest.fixture(scope="module")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    with Dovecot(certificates.server) as server:
        yield server


def variables(port: int, account: Account) -> dict[str, Any]:
    return {
        "authentication": {"username": account.username, "password": account.password},
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": {"messageId": "<order-1@example.com>"},
    }


class KillingProxy(CountingProxy):
    """Kills a process at the moment in which a command passes, before the server has it or after."""

    def __init__(self, server_port: int, command: str, when: Cut | None) -> None:
        super().__init__(Pop3Wire, server_port)
        self.victim: int | None = None
        self._command, self._when = command, when

    def note(self, command: Command) -> Cut | None:
        super().note(command)
        if not command.line.startswith(self._command) or self.victim is None:
            return None
        os.kill(self.victim, signal.SIGKILL)
        self.victim = None
        return self._when


# `UIDL 1` is asked when the mail has been read, before the engine is told.
@pytest.mark.parametrize(
    ("command", "when"),
    [
        ("RETR", Cut.BEFORE_COMMAND),
        ("RETR", Cut.BEFORE_ANSWER),
        ("RETR", None),
        ("UIDL 1", Cut.BEFORE_COMMAND),
    ],
)
async def test_a_worker_killed_while_it_reads_leaves_the_mail_for_the_next(
    start_engine: Callable[[], Awaitable[Engine]], dovecot: Dovecot, command: str, when: Cut | None
) -> None:
    engine = await start_engine()
    account = dovecot.add_user(f"killed-{command[:4]}-{when}".lower(), "s3cret")
    dovecot.deliver(account.username, MAIL)
    await engine.deploy(PROCESS, "read.bpmn")
    async with KillingProxy(dovecot.pop3_port, command, when) as proxy:
        async with WorkerProcess.start(engine.address) as worker:
            proxy.victim = worker.pid
            instance = await engine.create_instance("read", variables(proxy.port, account))
            assert await worker.ended() == -signal.SIGKILL
        await proxy.close_connections()
        assert len(dovecot.messages(account.username)) == 1
        async with serving(engine.address):
            await engine.increase_time(61)
            result = await engine.completed(instance)
    assert result["mail"]["plainTextBody"] == "Ten of them.\n"
    assert dovecot.messages(account.username) == []


@pytest.mark.parametrize(
    ("verb", "when"), [("DELE", Cut.BEFORE_COMMAND), ("DELE", None), ("QUIT", Cut.BEFORE_COMMAND)]
)
async def test_a_worker_killed_while_it_deletes_has_given_the_mail_to_the_process(
    start_engine: Callable[[], Awaitable[Engine]], dovecot: Dovecot, verb: str, when: Cut | None
) -> None:
    engine = await start_engine()
    account = dovecot.add_user(f"killed-{verb}-{when}".lower(), "s3cret")
    dovecot.deliver(account.username, MAIL)
    await engine.deploy(PROCESS, "read.bpmn")
    async with KillingProxy(dovecot.pop3_port, verb, when) as proxy:
        async with WorkerProcess.start(engine.address) as worker:
            proxy.victim = worker.pid
            instance = await engine.create_instance("read", variables(proxy.port, account))
            assert await worker.ended() == -signal.SIGKILL
        result = await engine.completed(instance)
        assert result["mail"]["subject"] == "An order"
        await proxy.close_connections()
        # The mail stays: better twice than not at all. The next read of the id is answered again.
        assert len(dovecot.messages(account.username)) == 1
        async with serving(engine.address):
            again = await engine.create_instance("read", variables(proxy.port, account))
            assert (await engine.completed(again))["mail"] == result["mail"]
    assert dovecot.messages(account.username) == []


async def test_an_engine_killed_before_the_completion_leaves_the_mail(
    start_engine: Callable[[], Awaitable[Engine]], dovecot: Dovecot
) -> None:
    engine = await start_engine()
    account = dovecot.add_user("engine-killed", "s3cret")
    dovecot.deliver(account.username, MAIL)
    await engine.deploy(PROCESS, "read.bpmn")
    async with (
        KillingProxy(dovecot.pop3_port, "RETR", None) as proxy,
        WorkerProcess.start(engine.address, EMAIL_WORKER_JOB_TIMEOUT_SECONDS="3") as worker,
    ):
        proxy.victim = engine.pid
        await engine.create_instance("read", variables(proxy.port, account))
        lost = await worker.logged("outcome_not_reported")
        await worker.logged("job_ended")
        assert "DELE" not in proxy.verbs
    assert lost["outcome"] == "COMPLETED"
    assert len(dovecot.messages(account.username)) == 1


async def test_a_completion_that_the_engine_refuses_leaves_the_mail(engine: Engine) -> None:
    may_go_on = asyncio.Event()
    answer = say("+OK", *LINES, ".")
    held = Pop3Options(faults={"RETR": sequence(wait_for(may_go_on), answer)})
    async with ScriptedPop3({"uid-1": MAIL}, held) as server, serving(engine.address):
        await engine.deploy(PROCESS, "read.bpmn")
        instance = await engine.create_instance("read", variables(server.port, Account("jane", "s3cret")))
        await server.heard("RETR")
        await engine.cancel_instance(instance)
        may_go_on.set()
        await server.heard("QUIT")
        assert "DELE" not in server.verbs
        assert len(server.messages) == 1


async def test_two_workers_that_read_one_email_at_the_same_time_both_get_it_and_delete_no_other(
    start_engine: Callable[[], Awaitable[Engine]],
) -> None:
    engine = await start_engine()
    await engine.deploy(PROCESS, "read.bpmn")
    readers, both_read = 0, asyncio.Event()

    async def wait_for_the_other(dialogue: Dialogue) -> None:
        nonlocal readers
        readers += 1
        if readers == 2:
            both_read.set()
        await wait_for(both_read)(dialogue)
        await say("+OK", *LINES, ".")(dialogue)

    other = MAIL.replace(b"order-1", b"order-2")
    options = Pop3Options(faults={"RETR": wait_for_the_other})
    async with (
        ScriptedPop3({"uid-1": MAIL, "uid-2": other}, options) as server,
        WorkerProcess.start(engine.address, EMAIL_WORKER_MAX_JOBS="1") as one,
        WorkerProcess.start(engine.address, EMAIL_WORKER_MAX_JOBS="1") as two,
    ):
        given = variables(server.port, Account("jane", "s3cret"))
        instances = [await engine.create_instance("read", given) for _ in range(2)]
        results = [await engine.completed(instance) for instance in instances]
        for worker in (one, two):
            await worker.logged("job_ended")
        assert [result["mail"]["subject"] for result in results] == ["An order"] * 2
        assert server.messages == [("uid-2", other)]


async def test_a_completed_read_removes_the_mail(engine: Engine, dovecot: Dovecot) -> None:
    account = dovecot.add_user("completed", "s3cret")
    dovecot.deliver(account.username, MAIL)
    await engine.deploy(PROCESS, "read.bpmn")
    async with serving(engine.address):
        instance = await engine.create_instance("read", variables(dovecot.pop3_port, account))
        result = await engine.completed(instance)
    assert result["mail"]["messageId"] == "<order-1@example.com>"
    assert dovecot.messages(account.username) == []
