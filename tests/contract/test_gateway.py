"""The adapter to pyzeebe, against a gRPC gateway that answers as the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from pyzeebe.proto import gateway_pb2 as messages
from pyzeebe.proto.gateway_pb2_grpc import GatewayServicer, add_GatewayServicer_to_server
from testkit.jobs import make_job

from worker.errors import InputError
from worker.job.completed_work import CompletedWork
from worker.job.engine_errors import CommandRefused, EngineError, GatewayUnavailable, JobGone
from worker.job.gateway import Subscription, ZeebeGateway
from worker.job.job import Job
from worker.job.outcome import BpmnError, Completed, Failed
from worker.settings import Settings
from worker.wiring import open_gateway

SUBSCRIPTION = Subscription("email.test.send", ("authentication", "server"), 60.0, 30.0)
JOB = make_job(key=7)
Call = Callable[[ZeebeGateway], Awaitable[None]]


class ScriptedServicer(GatewayServicer):
    """Answers every command well, or with `status`; hands out `jobs`; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.jobs: list[messages.ActivatedJob] = []
        self.status: grpc.StatusCode | None = None
        self.reason = "for a reason"

    async def _answer(self, request: Any, context: Any, answer: Any) -> Any:
        self.asked.append(request)
        if self.status is not None:
            await context.abort(self.status, self.reason)
        return answer

    async def ActivateJobs(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - gRPC's name
        answer = messages.ActivateJobsResponse(jobs=self.jobs)
        yield await self._answer(request, context, answer)

    async def CompleteJob(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        return await self._answer(request, context, messages.CompleteJobResponse())

    async def FailJob(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        return await self._answer(request, context, messages.FailJobResponse())

    async def ThrowError(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        return await self._answer(request, context, messages.ThrowErrorResponse())

    async def UpdateJobTimeout(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        return await self._answer(request, context, messages.UpdateJobTimeoutResponse())


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[ScriptedServicer, ZeebeGateway]]:
    servicer = ScriptedServicer()  # type: ignore[abstract]
    server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
    add_GatewayServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    gateway = gateway_at(f"127.0.0.1:{port}")
    try:
        yield servicer, gateway
    finally:
        await gateway.close()
        await server.stop(grace=None)


def gateway_at(target: str) -> ZeebeGateway:
    environment = {"ZEEBE_ADDRESS": target, "CAMUNDA_TENANT_IDS": "red", "EMAIL_WORKER_NAME": "me"}
    return open_gateway(Settings.from_environment(environment))


def activated(variables: str = '{"server": {"host": "h"}}') -> messages.ActivatedJob:
    return messages.ActivatedJob(
        key=7,
        type="email.test.send",
        processInstanceKey=20,
        bpmnProcessId="letter",
        elementId="send",
        elementInstanceKey=30,
        customHeaders='{"resultVariable": "mail"}',
        retries=3,
        variables=variables,
        tenantId="red",
    )


async def jobs_from(gateway: ZeebeGateway) -> list[Job]:
    return [job async for job in gateway.activate(SUBSCRIPTION, max_jobs=5)]


async def complete(gateway: ZeebeGateway) -> None:
    await gateway.report(JOB, Completed({"mail": "é"}))


async def fail(gateway: ZeebeGateway) -> None:
    await gateway.report(JOB, Failed("SLOW", "Slow.", 2, 1.0005, {"a": 1}))


async def throw(gateway: ZeebeGateway) -> None:
    await gateway.report(JOB, BpmnError("NO_MAIL", "None.", {"a": 1}))


async def extend(gateway: ZeebeGateway) -> None:
    await gateway.extend(7, 60.0)


COMMANDS = pytest.mark.parametrize("command", [complete, fail, throw, extend])
NOT_ACCEPTED = {
    *(grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAUTHENTICATED),
    *(grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED),
}


async def test_jobs_are_requested_as_subscribed_and_converted_to_the_workers_type() -> None:
    async with connected() as (servicer, gateway):
        servicer.jobs = [activated()]
        (job,) = await jobs_from(gateway)
    (request,) = servicer.asked
    assert (request.type, request.worker, request.maxJobsToActivate) == ("email.test.send", "me", 5)
    assert (request.timeout, request.requestTimeout) == (60_000, 30_000)
    assert list(request.fetchVariable) == ["authentication", "server"]
    assert list(request.tenantIds) == ["red"]
    assert (job.key, job.retries, job.element_instance_key, job.tenant_id) == (7, 3, 30, "red")
    assert job.variables == {"server": {"host": "h"}}
    assert job.headers == {"resultVariable": "mail"}


async def test_no_job_within_the_poll_is_no_error() -> None:
    async with connected() as (_, gateway):
        assert await jobs_from(gateway) == []


async def test_each_command_carries_what_it_says() -> None:
    async with connected() as (servicer, gateway):
        for command in (complete, fail, throw, extend):
            await command(gateway)
    completion, failure, error, extension = servicer.asked
    assert (completion.jobKey, json.loads(completion.variables)) == (7, {"mail": "é"})
    assert (failure.retries, failure.errorMessage, failure.retryBackOff) == (2, "Slow.", 1_001)
    assert json.loads(failure.variables) == {"a": 1}
    assert (error.errorCode, error.errorMessage) == ("NO_MAIL", "None.")
    assert extension.timeout == 60_000


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        (grpc.StatusCode.NOT_FOUND, JobGone),
        (grpc.StatusCode.FAILED_PRECONDITION, JobGone),
        (grpc.StatusCode.INVALID_ARGUMENT, CommandRefused),
        (grpc.StatusCode.UNAVAILABLE, GatewayUnavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, GatewayUnavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, GatewayUnavailable),
        (grpc.StatusCode.INTERNAL, GatewayUnavailable),
        (grpc.StatusCode.UNAUTHENTICATED, GatewayUnavailable),
        (grpc.StatusCode.PERMISSION_DENIED, GatewayUnavailable),
        (grpc.StatusCode.UNKNOWN, GatewayUnavailable),
        (grpc.StatusCode.CANCELLED, GatewayUnavailable),
        (grpc.StatusCode.ABORTED, GatewayUnavailable),
    ],
)
@COMMANDS
async def test_each_status_becomes_one_of_the_worker_with_its_reason(
    command: Call, status: grpc.StatusCode, ours: type[EngineError]
) -> None:
    async with connected() as (servicer, gateway):
        servicer.status = status
        with pytest.raises(EngineError) as caught:
            await command(gateway)
    assert type(caught.value) is ours
    assert str(caught.value) == f"{status.name}: for a reason"
    if isinstance(caught.value, GatewayUnavailable):
        assert caught.value.may_be_accepted is (status not in NOT_ACCEPTED)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            grpc.StatusCode.UNKNOWN,
            "Command 'COMPLETE' rejected with code 'EXCEEDED_BATCH_RECORD_SIZE': ",
        ),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "gRPC message exceeds maximum size 4194304: 4300023"),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "CLIENT: Received message larger than max (4300023 vs. 4194304)",
        ),
    ],
)
@COMMANDS
async def test_a_command_that_is_too_large_is_refused_permanently_with_any_status(
    command: Call, status: grpc.StatusCode, reason: str
) -> None:
    async with connected() as (servicer, gateway):
        servicer.status, servicer.reason = status, reason
        with pytest.raises(CommandRefused) as caught:
            await command(gateway)
    assert str(caught.value) == f"{status.name}: {reason}"


@pytest.mark.parametrize(
    "status", [status for status in grpc.StatusCode if status is not grpc.StatusCode.OK], ids=lambda s: s.name
)
async def test_no_status_at_activation_ends_the_worker(status: grpc.StatusCode) -> None:
    async with connected() as (servicer, gateway):
        servicer.status = status
        with pytest.raises(GatewayUnavailable, match="for a reason"):
            await jobs_from(gateway)


async def test_variables_of_as_many_levels_as_camunda_hands_out_can_be_read_compared_and_remembered() -> None:
    levels = 999  # and the object of the variables
    async with connected() as (servicer, gateway):
        variables = '{"server": ' + "[" * levels + "]" * levels + "}"
        servicer.jobs = [messages.ActivatedJob(key=1, customHeaders="{}", variables=variables)]
        (first,), (again,) = [await jobs_from(gateway) for _ in range(2)]
    assert first.variables == again.variables
    completed_work = CompletedWork()
    completed_work.record(first, ("sent",))
    assert completed_work.recall(again) == ("sent",)


@pytest.mark.parametrize(
    "variables",
    ["{", "[]", '{"parameters": ' + "[" * 500_000 + "]" * 500_000 + "}"],
    ids=["cut", "list", "deep"],
)
async def test_variables_that_cannot_be_read_do_not_end_the_worker(variables: str) -> None:
    async with connected() as (servicer, gateway):
        servicer.jobs = [activated(variables)]
        with pytest.raises(GatewayUnavailable, match="variables"):
            await jobs_from(gateway)


async def test_an_answer_of_more_than_four_megabytes_is_taken() -> None:
    async with connected() as (servicer, gateway):
        servicer.jobs = [activated(json.dumps({"parameters": {"body": "x" * 5_000_000}}))]
        (job,) = await jobs_from(gateway)
    assert len(job.variables["parameters"]["body"]) == 5_000_000


@pytest.mark.parametrize("result", [{"a": object()}, {"a": {1, 2}}])
async def test_a_value_that_is_not_json_is_refused_before_it_is_sent(result: dict[str, Any]) -> None:
    async with connected() as (servicer, gateway):
        with pytest.raises(CommandRefused):
            await gateway.report(JOB, Completed(result))
    assert servicer.asked == []


@COMMANDS
async def test_a_gateway_that_is_not_there_is_unavailable(command: Call) -> None:
    gateway = gateway_at("127.0.0.1:1")
    with pytest.raises(GatewayUnavailable, match="UNAVAILABLE") as caught:
        await command(gateway)
    assert not caught.value.may_be_accepted
    await gateway.close()


async def test_a_command_that_is_cancelled_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected() as (servicer, gateway):
        hangs = asyncio.Event()
        asked = asyncio.Event()

        async def never(_request: Any, _context: Any, answer: Any) -> Any:
            asked.set()
            await hangs.wait()
            return answer

        monkeypatch.setattr(servicer, "_answer", never)
        command = asyncio.create_task(complete(gateway))
        async with asyncio.timeout(10):
            await asked.wait()
        command.cancel()
        with pytest.raises(asyncio.CancelledError):
            await command
        hangs.set()


def test_a_ca_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    environment = {"ZEEBE_CA_CERTIFICATE_PATH": str(tmp_path / "missing.pem")}
    with pytest.raises(InputError, match=r"ZEEBE_CA_CERTIFICATE_PATH: .*missing\.pem does not exist"):
        open_gateway(Settings.from_environment(environment))
