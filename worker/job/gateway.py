"""The engine's gateway: a contract, and its adapter to pyzeebe."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import grpc
from google.protobuf.message import EncodeError
from pyzeebe import Job as ZeebeJob
from pyzeebe import (
    ZeebeClient,
    ZeebeWorker,
    create_camunda_cloud_channel,
    create_insecure_channel,
    create_oauth2_client_credentials_channel,
    create_secure_channel,
)
from pyzeebe.errors import (
    JobAlreadyDeactivatedError,
    JobNotFoundError,
    ProcessDefinitionHasNoStartEventError,
    ProcessDefinitionNotFoundError,
    ProcessInvalidError,
    PyZeebeError,
    UnknownGrpcStatusCodeError,
)

from worker.errors import CommandRefused, GatewayUnavailable, InputError, JobGone
from worker.job.job import Job

T = TypeVar("T")

# A command is answered in milliseconds; one that takes longer is sent again.
_COMMAND_TIMEOUT_SECONDS = 10.0
# Reconnecting is gRPC's task; pyzeebe would close the channel after a number of failures.
_WITHOUT_END = -1
# gRPC would let two minutes pass between attempts to reconnect, and take no more than 4 MB: what may be
# in a message is for the engine to bound.
_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
# An HTTP proxy of the environment is for what is far away; gRPC would ask it for this machine too.
_THIS_MACHINE = re.compile(r"(localhost|127(\.\d+){3}|\[::1\]):\d+")
_WITHOUT_PROXY = ("grpc.enable_http_proxy", 0)
# How gRPC begins what it says of a failed sign-in, and what OAuth calls it (RFC 6749, 5.2). What follows
# are the authorization server's words, and it may repeat what it was sent.
_SIGN_IN_REFUSED = re.compile(r"Getting metadata from plugin failed with error: \((\w{1,40})?.*", re.DOTALL)
# How a gateway and an engine say, with statuses that are else for what passes, that a command is too large.
_TOO_LARGE = re.compile(r"EXCEEDED_BATCH_RECORD_SIZE|message exceeds maximum size|message larger than max")
# pyzeebe logs the same words, at every attempt; the error that we raise says it once.
logging.getLogger("pyzeebe.credentials").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which jobs to ask for: `variables` names the only ones that they shall carry."""

    task_type: str
    variables: tuple[str, ...]
    job_timeout_seconds: float
    poll_seconds: float


class Gateway(Protocol):
    """What the worker asks of the engine. Commands raise GatewayUnavailable, JobGone or CommandRefused."""

    def activate(self, subscription: Subscription, *, max_jobs: int) -> AsyncIterator[Job]:
        """Yield up to `max_jobs` jobs; none within the subscription's `poll_seconds` is no error."""

    async def complete(self, job_key: int, variables: Mapping[str, Any]) -> None:
        """End the job well."""

    async def fail(
        self,
        job_key: int,
        *,
        retries: int,
        message: str,
        backoff_seconds: float,
        variables: Mapping[str, Any],
    ) -> None:
        """End this attempt; retries 0 raises an incident."""

    async def throw_error(
        self, job_key: int, *, error_code: str, message: str, variables: Mapping[str, Any]
    ) -> None:
        """End the job by a BPMN error."""

    async def extend(self, job_key: int, timeout_seconds: float) -> None:
        """Move the job's deadline to `timeout_seconds` from now."""


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """Where the gateway is and how to sign in: `sign_in` turns OAuth on."""

    target: str
    is_encrypted: bool
    ca_file: Path | None = None
    sign_in: OAuthClient | None = None


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """OAuth 2 client credentials (RFC 6749, 4.4); `cluster_id` and `cluster_region` on Camunda SaaS."""

    client_id: str
    client_secret: str = field(repr=False)
    authorization_server_url: str
    audience: str
    cluster_id: str | None = None
    cluster_region: str | None = None


class ZeebeGateway:
    """The gateway through pyzeebe's client and its worker's adapter.

    The worker's own polling is not used: docs/architecture.md says why.
    """

    def __init__(self, address: GatewayAddress, *, worker_name: str, tenant_ids: tuple[str, ...]) -> None:
        self._channel = _open_channel(address)
        self._client = ZeebeClient(self._channel, max_connection_retries=_WITHOUT_END)
        self._adapter = ZeebeWorker(self._channel, max_connection_retries=_WITHOUT_END).zeebe_adapter
        self._worker_name = worker_name
        self._tenant_ids = list(tenant_ids)

    async def close(self) -> None:
        """Cut the connection; requests under way are cancelled."""
        await self._channel.close()

    async def version(self) -> str:
        """Ask for the gateway's version, which proves that it can be reached and lets us in."""
        topology = await _command(self._client.topology())
        return str(topology.gateway_version)

    async def deploy(self, file: Path) -> None:
        """Give a BPMN file to the engine. Raises CommandRefused where the engine finds a fault in it."""
        await _command(self._client.deploy_resource(file))

    async def start(self, process_id: str, variables: Mapping[str, Any]) -> int:
        """Start the latest version of a process; give the key of the instance."""
        instance = await _command(self._client.run_process(process_id, dict(variables)))
        return instance.process_instance_key

    async def activate(self, subscription: Subscription, *, max_jobs: int) -> AsyncIterator[Job]:
        """Yield jobs as they come; see Gateway."""
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
            raise GatewayUnavailable(_reason(error)) from error
        except (ValueError, TypeError, RecursionError) as error:
            raise GatewayUnavailable(f"the variables of a job cannot be read ({error})") from error

    async def complete(self, job_key: int, variables: Mapping[str, Any]) -> None:
        """See Gateway."""
        await _command(self._adapter.complete_job(job_key, dict(variables)))

    async def fail(
        self,
        job_key: int,
        *,
        retries: int,
        message: str,
        backoff_seconds: float,
        variables: Mapping[str, Any],
    ) -> None:
        """See Gateway."""
        backoff = _milliseconds(backoff_seconds)
        await _command(self._adapter.fail_job(job_key, retries, message, backoff, dict(variables)))

    async def throw_error(
        self, job_key: int, *, error_code: str, message: str, variables: Mapping[str, Any]
    ) -> None:
        """See Gateway."""
        await _command(self._adapter.throw_error(job_key, message, dict(variables), error_code))

    async def extend(self, job_key: int, timeout_seconds: float) -> None:
        """See Gateway."""
        await _command(self._adapter.update_job_timeout(job_key, _milliseconds(timeout_seconds)))


def _open_channel(address: GatewayAddress) -> grpc.aio.Channel:
    options = _channel_options(address.target)
    if not address.is_encrypted:
        return create_insecure_channel(address.target, channel_options=options)
    try:
        authorities = address.ca_file.read_bytes() if address.ca_file else None
    except OSError as error:
        raise InputError(
            f"ZEEBE_CA_CERTIFICATE_PATH: {address.ca_file} cannot be read ({error.strerror}).",
            field="ZEEBE_CA_CERTIFICATE_PATH",
        ) from error
    credentials = grpc.ssl_channel_credentials(authorities)
    if address.sign_in is None:
        return create_secure_channel(address.target, channel_options=options, channel_credentials=credentials)
    return _open_oauth_channel(address.target, address.sign_in, credentials)


def _channel_options(target: str) -> tuple[tuple[str, int], ...]:
    return (*_CHANNEL_OPTIONS, _WITHOUT_PROXY) if _THIS_MACHINE.fullmatch(target) else _CHANNEL_OPTIONS


def _open_oauth_channel(
    target: str, client: OAuthClient, credentials: grpc.ChannelCredentials
) -> grpc.aio.Channel:
    if client.cluster_id is not None and client.cluster_region is not None:
        # Camunda SaaS wants the client id in the body of the token request, unlike RFC 6749's default.
        return create_camunda_cloud_channel(
            client_id=client.client_id,
            client_secret=client.client_secret,
            cluster_id=client.cluster_id,
            region=client.cluster_region,
            authorization_server=client.authorization_server_url,
            audience=client.audience,
            channel_credentials=credentials,
            channel_options=_CHANNEL_OPTIONS,
        )
    return create_oauth2_client_credentials_channel(
        grpc_address=target,
        client_id=client.client_id,
        client_secret=client.client_secret,
        authorization_server=client.authorization_server_url,
        audience=client.audience,
        channel_credentials=credentials,
        channel_options=_channel_options(target),
    )


async def _command(sent: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(_COMMAND_TIMEOUT_SECONDS):
            return await sent
    except TimeoutError as error:
        raise GatewayUnavailable(f"no answer within {_COMMAND_TIMEOUT_SECONDS:g} s") from error
    except (EncodeError, ValueError, TypeError) as error:
        raise CommandRefused(str(error)) from error
    except PyZeebeError as error:
        _raise_ours(error)


def _raise_ours(error: PyZeebeError) -> NoReturn:
    if isinstance(error, (JobNotFoundError, JobAlreadyDeactivatedError)):
        raise JobGone(_reason(error)) from error
    if isinstance(
        error,
        (ProcessInvalidError, ProcessDefinitionNotFoundError, ProcessDefinitionHasNoStartEventError),
    ):
        raise CommandRefused(_reason(error)) from error
    refusals = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
    if isinstance(error, UnknownGrpcStatusCodeError) and error.grpc_error.code() in refusals:
        raise CommandRefused(_reason(error)) from error
    if _TOO_LARGE.search(_reason(error)):
        raise CommandRefused(_reason(error)) from error
    raise GatewayUnavailable(_reason(error)) from error


def _reason(error: PyZeebeError) -> str:
    grpc_error = getattr(error, "grpc_error", None) or error.__cause__
    if isinstance(grpc_error, grpc.aio.AioRpcError):
        return (
            f"{grpc_error.code().name}: {_SIGN_IN_REFUSED.sub(_refused_sign_in, grpc_error.details() or '')}"
        )
    return str(error) or type(error).__name__


def _refused_sign_in(match: re.Match[str]) -> str:
    return f"the authorization server refused the sign-in ({match[1] or 'without a reason'})"


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
