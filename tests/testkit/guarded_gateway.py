"""A gateway over real gRPC that lets in only who signs in as it wants: by header, certificate, or both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from pyzeebe.proto import gateway_pb2 as messages
from pyzeebe.proto.gateway_pb2_grpc import GatewayServicer, add_GatewayServicer_to_server

from testkit.certificates import Certificates

JOB = messages.ActivatedJob(key=7, type="email.test.send", customHeaders="{}", variables="{}", retries=3)


@dataclass
class GuardedGateway:
    """Listens at a free port of localhost.

    `certificates`: speak TLS; `asks_for_certificate`: let in only who shows one of the same authority.
    `accepts`: the Authorization headers that let in, any if it is None; a refusal repeats what was brought.
    `brought`, `shown`, `tenants`: the headers, the certificates' names and the tenants that came.
    """

    certificates: Certificates | None = None
    asks_for_certificate: bool = False
    accepts: set[str] | None = None
    brought: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)
    target: str = ""

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        add_GatewayServicer_to_server(_Servicer(self), self._server)  # type: ignore[abstract]
        port = self._listen()
        self.target = f"localhost:{port}"
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(grace=None)

    def _listen(self) -> int:
        if self.certificates is None:
            return self._server.add_insecure_port("localhost:0")
        mine = self.certificates.server
        pair = (mine.key_file.read_bytes(), mine.chain_file.read_bytes())
        authority = self.certificates.ca_file.read_bytes() if self.asks_for_certificate else None
        credentials = grpc.ssl_server_credentials(
            [pair], root_certificates=authority, require_client_auth=self.asks_for_certificate
        )
        return self._server.add_secure_port("localhost:0", credentials)

    async def admit(self, context: Any) -> None:
        """Let the caller in, or end the call."""
        brought = dict(context.invocation_metadata()).get("authorization", "")
        self.brought.append(brought)
        self.shown += [name.decode() for name in context.peer_identities() or ()]
        if self.accepts is not None and brought not in self.accepts:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, f"no entry with {brought}")


class _Servicer(GatewayServicer):
    """Answers the worker's requests as one broker would that has one job."""

    def __init__(self, guard: GuardedGateway) -> None:
        self._guard = guard

    async def Topology(self, _: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        await self._guard.admit(context)
        return messages.TopologyResponse(gatewayVersion="8.8.0")

    async def ActivateJobs(self, _: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - gRPC's name
        await self._guard.admit(context)
        yield messages.ActivateJobsResponse(jobs=[JOB])

    async def CompleteJob(self, _: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        await self._guard.admit(context)
        return messages.CompleteJobResponse()

    async def DeployResource(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        await self._guard.admit(context)
        self._guard.tenants.append(request.tenantId)
        return messages.DeployResourceResponse(key=1)

    async def CreateProcessInstance(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        await self._guard.admit(context)
        self._guard.tenants.append(request.tenantId)
        return messages.CreateProcessInstanceResponse(processInstanceKey=2)
