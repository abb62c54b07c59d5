"""A process on the engine sends an email, while each of the three containers fails in turn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from testkit.bpmn import one_task_process
from testkit.docker import log_lines

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.docker_cluster import Cluster

PROCESS = "container-send"


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A process that tries again at once, and long enough for a server to come back."""
    bpmn = tmp_path_factory.mktemp("bpmn") / "send.bpmn"
    headers = {"resultVariable": "mail", "retryBackoff": "PT1S"}
    bpmn.write_bytes(one_task_process(PROCESS, "email.smtp.send", headers=headers, retries=100))
    return bpmn


@pytest_asyncio.fixture
async def deployed(cluster: Cluster, process: Path) -> Cluster:
    await cluster.deploy(process)
    return cluster


def variables(subject: str) -> dict[str, Any]:
    return {
        "authentication": {"type": "noAuth"},
        "server": {"host": "mail", "port": 1025, "cryptographicProtocol": "NONE"},
        "parameters": {
            "from": "orders@example.com",
            "to": "jane@example.com",
            "subject": subject,
            "body": "It is on its way.",
        },
    }


async def test_with_the_gateways_address_alone_the_worker_sends(deployed: Cluster) -> None:
    with deployed.worker():
        result = (await deployed.run(PROCESS, variables("alone")))["mail"]
    assert result["sent"] is True
    (mail,) = await deployed.mails("alone")
    assert result["messageId"] == f"<{mail['MessageID']}>"


async def test_sigterm_under_load_loses_no_mail_and_doubles_none(deployed: Cluster) -> None:
    subjects = [f"stopped {number}" for number in range(60)]
    async with asyncio.TaskGroup() as group:
        # A job that was on its way to the worker when that stopped asking comes again after its timeout.
        with deployed.worker(EMAIL_WORKER_MAX_JOBS="4", EMAIL_WORKER_JOB_TIMEOUT_SECONDS="3") as worker:
            results = [group.create_task(deployed.run(PROCESS, variables(subject))) for subject in subjects]
            await worker.logged("job_ended", count=5)
            assert worker.stop() == 0
            worker.start()
            await asyncio.wait(results)
    assert sorted(mail["Subject"] for mail in await deployed.mails("stopped ")) == sorted(subjects)


async def test_a_worker_killed_under_load_loses_no_mail_and_what_comes_twice_has_one_message_id(
    deployed: Cluster,
) -> None:
    subjects = [f"killed {number}" for number in range(60)]
    async with asyncio.TaskGroup() as group:
        with deployed.worker(EMAIL_WORKER_MAX_JOBS="4", EMAIL_WORKER_JOB_TIMEOUT_SECONDS="3") as worker:
            results = [group.create_task(deployed.run(PROCESS, variables(subject))) for subject in subjects]
            await worker.logged("job_ended", count=5)
            worker.kill()
            worker.start()
            await asyncio.wait(results)
    mails = await deployed.mails("killed ")
    assert {mail["Subject"] for mail in mails} == set(subjects)
    assert len({mail["MessageID"] for mail in mails}) == len(subjects)
    assert len(mails) <= len(subjects) + 4


async def test_a_worker_killed_between_two_attempts_sends_once(deployed: Cluster) -> None:
    async with asyncio.TaskGroup() as group:
        with deployed.worker(EMAIL_WORKER_JOB_TIMEOUT_SECONDS="3") as worker:
            deployed.mail.cut()
            result = group.create_task(deployed.run(PROCESS, variables("between")))
            assert (await worker.logged("job_ended"))["outcome"] == "CONNECTION_FAILED"
            worker.kill()
            deployed.mail.join()
            worker.start()
            assert (await result)["mail"]["sent"] is True
    assert len(await deployed.mails("between")) == 1


async def test_the_worker_outlives_a_restart_of_the_engine(deployed: Cluster, process: Path) -> None:
    with deployed.worker() as worker:
        await deployed.run(PROCESS, variables("engine before"))
        deployed.engine.kill()
        await worker.logged("gateway_unreachable")
        deployed.engine.start()
        # A stand-in keeps its processes in memory.
        await deployed.deploy(process)
        await deployed.run(PROCESS, variables("engine after"))
        # gRPC too has something to say of a lost engine, in a form of its own.
        assert [line for line in log_lines(worker.id) if not line.startswith("{")] == []
    subjects = [mail["Subject"] for mail in await deployed.mails("engine ")]
    assert sorted(subjects) == ["engine after", "engine before"]


async def test_a_mail_waits_for_a_mail_server_that_was_killed(deployed: Cluster) -> None:
    async with asyncio.TaskGroup() as group:
        with deployed.worker() as worker:
            await deployed.run(PROCESS, variables("server before"))
            deployed.mail.kill()
            result = group.create_task(deployed.run(PROCESS, variables("server after")))
            assert (await worker.logged("job_ended", count=2))["outcome"] == "CONNECTION_FAILED"
            deployed.mail.start()
            assert (await result)["mail"]["sent"] is True
    assert len(await deployed.mails("server after")) == 1


async def test_a_mail_waits_for_a_mail_server_that_was_cut_off(deployed: Cluster) -> None:
    async with asyncio.TaskGroup() as group:
        # The kept session is silent, not broken: a command in it has to wait for its limit.
        with deployed.worker(EMAIL_WORKER_COMMAND_TIMEOUT_SECONDS="3") as worker:
            await deployed.run(PROCESS, variables("cut mail before"))
            deployed.mail.cut()
            result = group.create_task(deployed.run(PROCESS, variables("cut mail after")))
            assert (await worker.logged("job_ended", count=2))["outcome"] == "TIMEOUT"
            deployed.mail.join()
            assert (await result)["mail"]["sent"] is True
    assert len(await deployed.mails("cut mail")) == 2


@pytest.mark.parametrize("cut", ["engine", "worker"])
async def test_the_worker_comes_back_to_an_engine_from_which_it_was_cut_off(
    deployed: Cluster, cut: str
) -> None:
    with deployed.worker(EMAIL_WORKER_POLL_TIMEOUT_SECONDS="5") as worker:
        await deployed.run(PROCESS, variables(f"cut {cut} before"))
        member = {"engine": deployed.engine, "worker": worker}[cut]
        member.cut()
        result = asyncio.create_task(deployed.run(PROCESS, variables(f"cut {cut} after")))
        await worker.logged("gateway_unreachable")
        member.join()
        assert (await result)["mail"]["sent"] is True
    assert len(await deployed.mails(f"cut {cut}")) == 2
