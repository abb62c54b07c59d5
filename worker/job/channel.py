"""The gRPC channel to the gateway: its options, TLS, and the sign-in that goes with every call."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from worker.documents.sign_in import SignIn
from worker.errors import DocumentError
from worker.job.engine_errors import GatewayUnavailable
from worker.settings import GatewaySettings

# By default gRPC waits up to two minutes before it reconnects, and accepts at most 4 MB: Camunda limits the
# size of messages itself. Pings are those of Camunda's own clients.
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.keepalive_time_ms", 45_000),
)
# The HTTP proxy of the environment must not be used for this machine; gRPC would do so.
_THIS_MACHINE = re.compile(r"(localhost|127(\.\d+){3}|\[::1\]):\d+")
_WITHOUT_PROXY = ("grpc.enable_http_proxy", 0)

Continuation = Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]]


def open_channel(gateway: GatewaySettings, signed: SignedCalls | None) -> grpc.aio.Channel:
    """Return a channel that connects at the first call. Raises OSError for a file that cannot be read."""
    options = (*_OPTIONS, _WITHOUT_PROXY) if _THIS_MACHINE.fullmatch(gateway.target) else _OPTIONS
    # gRPC has call credentials too, but not for a channel without TLS, and calls them in a separate thread.
    interceptors = signed.interceptors if signed else ()
    if not gateway.is_encrypted:
        return grpc.aio.insecure_channel(gateway.target, options, interceptors=interceptors)
    files = (gateway.ca_certificate_path, gateway.client_key_path, gateway.client_certificate_path)
    credentials = grpc.ssl_channel_credentials(*(file.read_bytes() if file else None for file in files))
    return grpc.aio.secure_channel(gateway.target, credentials, options, interceptors=interceptors)


class SignedCalls(grpc.aio.UnaryUnaryClientInterceptor):
    """Adds the sign-in to every call of a channel."""

    def __init__(self, sign_in: SignIn) -> None:
        self.sign_in = sign_in
        self._latest = ""
        # gRPC takes an object for calls with one reply only, or for calls with a stream of them.
        self.interceptors = (self, _SignedPolls(self))

    async def intercept_unary_unary(
        self, continuation: Continuation, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        """See grpc.aio."""
        return await continuation(await self.sign(client_call_details), request)

    async def sign(self, call: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        """Return `call` with the Authorization header. Raises GatewayUnavailable."""
        try:
            self._latest = await self.sign_in.authorization()
        except DocumentError as error:
            raise GatewayUnavailable(error.message) from error
        metadata = grpc.aio.Metadata(*(call.metadata or ()), ("authorization", self._latest))
        return grpc.aio.ClientCallDetails(
            call.method, call.timeout, metadata, call.credentials, call.wait_for_ready
        )

    def refused(self) -> None:
        """Sign in again at the next call, if the credentials can be renewed."""
        self.sign_in.forget(self._latest)


class _SignedPolls(grpc.aio.UnaryStreamClientInterceptor):
    """Signs calls with a stream of replies."""

    def __init__(self, signed: SignedCalls) -> None:
        self._signed = signed

    async def intercept_unary_stream(
        self, continuation: Continuation, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        """See grpc.aio."""
        return await continuation(await self._signed.sign(client_call_details), request)
