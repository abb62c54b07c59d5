"""200 emails moved over IMAP and 200 read over POP3, while connections break and workers are killed."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from testkit.bpmn import one_task_process
from testkit.certificates import Certificates
from testkit.dovecot import Dovecot
from testkit.maildir import StoredMessage
from testkit.storm import Link, StormWorker, ends_of, workers

from worker.sandbox import Engine

EMAILS = 200
WITHIN_SECONDS = 400
SETTINGS = {
    "EMAIL_WORKER_JOB_TIMEOUT_SECONDS": "4",
    "EMAIL_WORKER_POLL_TIMEOUT_SECONDS": "2",
    "EMAIL_WORKER_CLUSTER_NAME": "storm",
}


@pytest.fixture
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    with Dovecot(Certificates(tmp_path_factory.mktemp("certificates")).server) as server:
        yield server


def variables(user: str, port: int, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "authentication": {"username": user, "password": "s3cret"},
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": parameters,
    }


def id_of(stored: StoredMessage) -> str:
    return next(line[12:] for line in stored.raw.decode().splitlines() if line.startswith("Message-ID: "))


def message_ids() -> list[str]:
    return [f"<{number}@numbered.example.org>" for number in range(1, EMAILS + 1)]


async def rage(fleet: list[StormWorker], to_server: Link, stop: asyncio.Event) -> None:
    """Break the connections to the mail server again and again; kill or stop a worker now and then."""
    for turn in range(1_000):
        if stop.is_set():
            return
        to_server.break_connections()
        if turn % 5 == 2:
            await fleet[0].kill()
            await fleet[0].start()
        if turn % 10 == 4:
            fleet[1].signal(signal.SIGSTOP)
            await asyncio.sleep(6)
            fleet[1].signal(signal.SIGCONT)
        await asyncio.sleep(1)


async def run_in_storm(
    engine: Engine, tmp_path: Path, port: int, jobs: list[tuple[str, dict[str, Any]]], task_type: str
) -> dict[int, str]:
    """Run a job for each user and parameters while it storms; gives how each instance has ended."""
    process = one_task_process(
        "mailbox", task_type, headers={"resultVariable": "email", "retryBackoff": "PT0.5S"}, retries=50
    )
    await engine.deploy(process, "mailbox.bpmn")
    async with AsyncExitStack() as stack:
        to_server = await stack.enter_async_context(Link(port).serving())
        fleet = [StormWorker(engine.address, tmp_path / f"worker{number}", SETTINGS) for number in range(2)]
        await stack.enter_async_context(workers(*fleet))
        stop = asyncio.Event()
        raging = asyncio.create_task(rage(fleet, to_server, stop))
        instances = [
            await engine.create_instance("mailbox", variables(user, to_server.port, parameters))
            for user, parameters in jobs
        ]
        try:
            return await ends_of(engine, instances, within_seconds=WITHIN_SECONDS)
        finally:
            stop.set()
            await raging


async def test_two_hundred_emails_that_are_moved_in_a_storm_are_each_in_one_folder(
    engine: Engine, dovecot: Dovecot, tmp_path: Path
) -> None:
    dovecot.add_user("ann", "s3cret")
    dovecot.populate("ann", EMAILS)
    jobs = [
        ("ann", {"messageId": message_id, "fromFolder": "INBOX", "toFolder": "Done"})
        for message_id in message_ids()
    ]
    ends = await run_in_storm(engine, tmp_path, dovecot.imap_port, jobs, "email.imap.move")
    moved = Counter(map(id_of, dovecot.messages("ann", "Done")))
    left = [*map(id_of, dovecot.messages("ann"))]
    incidents = [end for end in ends.values() if end]
    print(f"\nIMAP: {len(moved)} moved, {len(left)} left, {len(incidents)} incidents")
    assert moved == Counter(message_ids())
    assert left == []
    # Moved by an attempt that was cut off, and looked for by another worker.
    assert all(end.startswith("MESSAGE_NOT_FOUND") for end in incidents)


async def test_two_hundred_emails_that_are_read_and_deleted_in_a_storm_are_not_lost(
    engine: Engine, dovecot: Dovecot, tmp_path: Path
) -> None:
    users = [f"user{number}" for number in range(10)]
    for user in users:
        dovecot.add_user(user, "s3cret")
        dovecot.populate(user, EMAILS // len(users))
    jobs = [
        (user, {"messageId": message_id})
        for message_id in message_ids()[: EMAILS // len(users)]
        for user in users
    ]
    ends = await run_in_storm(engine, tmp_path, dovecot.pop3_port, jobs, "email.pop3.read")
    left = {(user, id_of(stored)) for user in users for stored in dovecot.messages(user)}
    read = {
        (user, parameters["messageId"])
        for (user, parameters), (instance, end) in zip(jobs, ends.items(), strict=True)
        if not end and engine.variables(instance)["email"]["messageId"] == parameters["messageId"]
    }
    print(f"\nPOP3: {len(read)} read, {len(left)} still in the mailbox, {len(jobs) - len(read)} incidents")
    wanted = {(user, parameters["messageId"]) for user, parameters in jobs}
    assert read | left == wanted
