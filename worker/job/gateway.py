"""Camunda's gateway: a contract, and its adapter to pyzeebe."""

from __future__ import annotations

import asyncio
import math
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.message import EncodeError
from pyzeebe import Job as ZeebeJob
from pyzeebe import ZeebeClient, ZeebeWorker
from pyzeebe.errors import (
    JobAlreadyDeactivatedError,
    JobNotFoundError,
    ProcessDefinitionHasNoStartEventError,
    ProcessDefinitionNotFoundError,
    ProcessInvalidError,
    ProcessTimeoutError,
    PyZeebeError,
    UnknownGrpcStatusCodeError,
)

from worker.documents.sign_in import SignIn
from worker.errors import InputError
from worker.job.channel import SignedCalls, open_channel
from worker.job.engine_errors import CommandRefused, EngineError, GatewayUnavailable, JobGone
from worker.job.job import Job
from worker.job.outcome import BpmnError, Completed, Failed, Outcome, Returned
from worker.settings import Settings

T = TypeVar("T")

# Camunda hands out variables of up to 1,000 levels; Python's limit leaves no room for the calls around them.
_LEVELS_OF_CALLS = 2_000

# A command is answered in milliseconds; one that takes longer is sent again.
COMMAND_TIMEOUT_SECONDS = 10.0
# Reconnecting is gRPC's task; pyzeebe would close the channel after a number of failures.
_WITHOUT_END = -1
# How gateway and broker say that a command is too large, with statuses that otherwise are temporary.
_TOO_LARGE = re.compile(r"EXCEEDED_BATCH_RECORD_SIZE|message exceeds maximum size|message larger than max")
_REFUSALS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
# With any other status, the answer of Camunda may have been lost on its way.
_NOT_ACCEPTED = (
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
)
# gRPC's words for a command that was not sent.
_NOT_SENT = "failed to connect"


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which jobs to ask for: they carry only the variables named in `variables`."""

    task_type: str
    variables: tuple[str, ...]
    job_timeout_seconds: float
    poll_seconds: float


class InstanceNotEnded(EngineError):
    """A process instance has not ended within the time that was given to it."""


class Gateway(Protocol):
    """The commands to Camunda. They raise GatewayUnavailable, JobGone or CommandRefused."""

    def activate(self, subscription: Subscription, *, max_jobs: int) -> AsyncIterator[Job]:
        """Yield up to `max_jobs` jobs; none within the subscription's `poll_seconds` is no error."""

    async def report(self, job: Job, outcome: Outcome) -> None:
        """Complete the job, fail it (with retries 0 that raises an incident), or throw a BPMN error."""

    async def extend(self, job_key: int, timeout_seconds: float) -> None:
        """Move the job's deadline to `timeout_seconds` from now."""


class ZeebeGateway:
    """The gateway through pyzeebe's client and its worker's adapter.

    The worker's own polling is not used: docs/architecture.md says why.
    """

    def __init__(self, settings: Settings, sign_in: SignIn | None = None) -> None:
        """Connect at the first command. Raises OSError for a file of the settings that cannot be read."""
        sys.setrecursionlimit(max(sys.getrecursionlimit(), _LEVELS_OF_CALLS))
        self._signed = SignedCalls(sign_in) if sign_in else None
        self._channel = open_channel(settings.gateway, self._signed)
        self._client = ZeebeClient(self._channel, max_connection_retries=_WITHOUT_END)
        self._adapter = ZeebeWorker(self._channel, max_connection_retries=_WITHOUT_END).zeebe_adapter
        self._worker_name = settings.worker.name
        self._tenant_ids = list(settings.gateway.tenant_ids)

    async def close(self) -> None:
        """Cut the connection; running requests are cancelled."""
        await self._channel.close()
        if self._signed is not None:
            await self._signed.sign_in.close()

    async def version(self) -> str:
        """Ask for the gateway's version, which proves that it can be reached and accepts the credentials."""
        topology = await self._command(self._client.topology())
        return str(topology.gateway_version)

    async def deploy(self, file: Path) -> None:
        """Deploy a BPMN file. Raises CommandRefused if Camunda finds an error in it."""
        await self._command(self._client.deploy_resource(file, tenant_id=self._tenant_id()))

    async def start(self, process_id: str, variables: Mapping[str, Any]) -> int:
        """Start the latest version of a process; return the key of the instance."""
        instance = await self._command(
            self._client.run_process(process_id, dict(variables), tenant_id=self._tenant_id())
        )
        return instance.process_instance_key

    async def run(
        self, process_id: str, variables: Mapping[str, Any], *, within_seconds: float
    ) -> dict[str, Any]:
        """Start the latest version of a process and wait for its end; return its variables.

        Raises InstanceNotEnded.
        """
        await self.version()  # a gateway that does not answer is not an instance that takes long
        sent = self._client.run_process_with_result(
            process_id,
            dict(variables),
            timeout=_milliseconds(within_seconds),
            tenant_id=self._tenant_id(),
        )
        try:
            # Not every gateway keeps to the timeout of the request.
            async with asyncio.timeout(within_seconds):
                result = await self._command(sent, within_seconds=within_seconds + COMMAND_TIMEOUT_SECONDS)
        except TimeoutError as error:
            raise InstanceNotEnded(f"not ended within {within_seconds:g} s") from error
        return dict(result.variables)

    async def activate(self, subscription: Subscription, *, max_jobs: int) -> AsyncIterator[Job]:
        """Yield jobs as they arrive; see Gateway."""
        jobs = self._adapter.activate_jobs(
            task_type=subscription.task_type,
            worker=self._worker_name,
            timeout=_milliseconds(subscription.job_timeout_seconds),
            max_jobs_to_activate=max_jobs,
            variables_to_fetch=subscription.variables,
            request_timeout=_milliseconds(subscription.poll_seconds),
            tenant_ids=self._tenant_ids,
        )
        try:
            async for job in jobs:
                yield _own_job(job)
        except PyZeebeError as error:
            raise GatewayUnavailable(self._reason(error)) from error
        except (ValueError, TypeError, RecursionError) as error:
            raise GatewayUnavailable(f"the variables of a job cannot be read ({error})") from error

    async def report(self, job: Job, outcome: Outcome) -> None:
        """See Gateway."""
        variables = dict(outcome.variables)
        sent: Awaitable[object]
        match outcome:
            case Completed():
                sent = self._adapter.complete_job(job.key, variables)
            case BpmnError():
                sent = self._adapter.throw_error(job.key, outcome.message, variables, outcome.code)
            case Failed() | Returned():
                retries = job.retries if isinstance(outcome, Returned) else outcome.retries
                backoff = _milliseconds(outcome.backoff_seconds)
                sent = self._adapter.fail_job(job.key, retries, outcome.message, backoff, variables)
        await self._command(sent)

    async def extend(self, job_key: int, timeout_seconds: float) -> None:
        """See Gateway."""
        await self._command(self._adapter.update_job_timeout(job_key, _milliseconds(timeout_seconds)))

    def _tenant_id(self) -> str | None:
        """Return the tenant to deploy and start for; None where the cluster has no tenants."""
        if len(self._tenant_ids) > 1:
            raise InputError(
                "CAMUNDA_TENANT_IDS names more than one tenant; set it to the one to deploy or start for.",
                field="CAMUNDA_TENANT_IDS",
            )
        return self._tenant_ids[0] if self._tenant_ids else None

    async def _command(self, sent: Awaitable[T], *, within_seconds: float = COMMAND_TIMEOUT_SECONDS) -> T:
        try:
            async with asyncio.timeout(within_seconds):
                return await sent
        except TimeoutError as error:
            text = f"no answer within {within_seconds:g} s"
            raise GatewayUnavailable(text, may_be_accepted=True) from error
        except (EncodeError, ValueError, TypeError) as error:
            raise CommandRefused(str(error)) from error
        except PyZeebeError as error:
            raise _engine_error(error, self._reason(error)) from error

    def _reason(self, error: PyZeebeError) -> str:
        """Return what the gateway said, without credentials; discard a token that it refused."""
        grpc_error = _grpc_error(error)
        if grpc_error is None:
            return str(error) or type(error).__name__
        reason = f"{grpc_error.code().name}: {grpc_error.details() or ''}"
        if self._signed is None:
            return reason
        if grpc_error.code() is grpc.StatusCode.UNAUTHENTICATED:
            self._signed.refused()
        return self._signed.sign_in.mask.hide(reason)


def _engine_error(error: PyZeebeError, reason: str) -> EngineError:
    if isinstance(error, (JobNotFoundError, JobAlreadyDeactivatedError)):
        return JobGone(reason)
    if isinstance(error, ProcessTimeoutError):
        return InstanceNotEnded(reason)
    refused = (ProcessInvalidError, ProcessDefinitionNotFoundError, ProcessDefinitionHasNoStartEventError)
    is_refused = isinstance(error, refused) or (
        isinstance(error, UnknownGrpcStatusCodeError) and error.grpc_error.code() in _REFUSALS
    )
    if is_refused or _TOO_LARGE.search(reason):
        return CommandRefused(reason)
    grpc_error = _grpc_error(error)
    is_unknown = grpc_error is not None and grpc_error.code() not in _NOT_ACCEPTED
    return GatewayUnavailable(reason, may_be_accepted=is_unknown and _NOT_SENT not in reason)


def _grpc_error(error: PyZeebeError) -> grpc.aio.AioRpcError | None:
    found = getattr(error, "grpc_error", None) or error.__cause__
    return found if isinstance(found, grpc.aio.AioRpcError) else None


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1_000)


def _own_job(job: ZeebeJob) -> Job:
    return Job(
        key=job.key,
        type=job.type,
        retries=job.retries,
        variables=job.variables,
        headers=job.custom_headers,
        element_id=job.element_id,
        bpmn_process_id=job.bpmn_process_id,
        process_instance_key=job.process_instance_key,
        element_instance_key=job.element_instance_key,
        tenant_id=job.tenant_id,
    )
