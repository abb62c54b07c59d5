"""Puts right what the embedded engine's gateway leaves out: the variables of a failed job.

A cluster's gateway hands them on, and the engine sets them, local to the task. The gateway that comes with
the embedded engine drops them. This one stands before it and sets them by a command of their own, so that
the engine's own scopes decide what the next attempt sees.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
from pyzeebe.proto import gateway_pb2 as gateway

from testkit.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_SERVICE = "/gateway_protocol.Gateway/"


@asynccontextmanager
async def whole_gateway(engine_address: str) -> AsyncIterator[str]:
    """Run it before the engine; gives its address."""
    server = grpc.aio.server()
    port = free_port()
    server.add_insecure_port(f"127.0.0.1:{port}")
    async with grpc.aio.insecure_channel(engine_address) as channel:
        server.add_generic_rpc_handlers((_Handler(channel),))
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)


class _Handler(grpc.GenericRpcHandler):
    """Hands every call on as octets."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._elements: dict[int, int] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        method = handler_call_details.method
        if method == f"{_SERVICE}ActivateJobs":
            return grpc.unary_stream_rpc_method_handler(self._activate)
        if method == f"{_SERVICE}FailJob":
            return grpc.unary_unary_rpc_method_handler(self._fail)

        async def hand_on(request: bytes, context: Any) -> bytes:
            return await self._call(method, request, context)

        return grpc.unary_unary_rpc_method_handler(hand_on)

    async def _call(self, method: str, request: bytes, context: Any) -> bytes:
        call: Any = self._channel.unary_unary(method)
        try:
            answer: bytes = await call(request)
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "")
            raise
        return answer

    async def _activate(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        call: Any = self._channel.unary_stream(f"{_SERVICE}ActivateJobs")
        try:
            async for answer in call(request):
                for job in gateway.ActivateJobsResponse.FromString(answer).jobs:
                    self._elements[job.key] = job.elementInstanceKey
                yield answer
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "")

    async def _fail(self, request: bytes, context: Any) -> bytes:
        failed = gateway.FailJobRequest.FromString(request)
        if failed.variables not in {"", "{}"}:
            variables = gateway.SetVariablesRequest(
                elementInstanceKey=self._elements[failed.jobKey], variables=failed.variables, local=True
            )
            await self._call(f"{_SERVICE}SetVariables", variables.SerializeToString(), context)
        return await self._call(f"{_SERVICE}FailJob", request, context)
