"""The way to a gateway that wants TLS and a sign-in by OAuth, over real channels."""

from __future__ import annotations

import base64
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from aiohttp import web
from pyzeebe.proto import gateway_pb2 as messages
from pyzeebe.proto.gateway_pb2_grpc import GatewayServicer, add_GatewayServicer_to_server

from worker.errors import GatewayUnavailable
from worker.job.gateway import GatewayAddress, OAuthClient, ZeebeGateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testkit.certificates import Certificates

SECRET = "hunter2-and-more"


class Guarded(GatewayServicer):
    """Lets in whoever brings the token, and notes what was brought."""

    def __init__(self) -> None:
        self.brought: list[str] = []

    async def Topology(self, _: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        self.brought.append(dict(context.invocation_metadata()).get("authorization", ""))
        return messages.TopologyResponse(gatewayVersion="8.8.0")


@asynccontextmanager
async def gateway_server(certificates: Certificates) -> AsyncIterator[tuple[Guarded, str]]:
    servicer = Guarded()  # type: ignore[abstract]
    server = grpc.aio.server()
    add_GatewayServicer_to_server(servicer, server)
    pair = (certificates.server.key_file.read_bytes(), certificates.server.chain_file.read_bytes())
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    try:
        yield servicer, f"localhost:{port}"
    finally:
        await server.stop(grace=None)


@asynccontextmanager
async def authorization_server(
    certificates: Certificates, *, refuses: bool = False
) -> AsyncIterator[tuple[list[dict[str, str]], str]]:
    """Gives tokens, or refuses and repeats what it was sent; yields the requests and its URL."""
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        asked.append(form | {"Authorization": request.headers.get("Authorization", "")})
        told: dict[str, Any] = {"access_token": "t0ken", "token_type": "Bearer", "expires_in": 300}
        if refuses:
            told = {"error": "invalid_client", "error_description": f"you sent {asked[-1]} and {SECRET}"}
        # The library that asks would keep the connection, and leave it open.
        return web.json_response(told, status=401 if refuses else 200, headers={"Connection": "close"})

    application = web.Application()
    application.router.add_post("/token", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server.server_context())
    await site.start()
    try:
        yield asked, f"https://127.0.0.1:{runner.addresses[0][1]}/token"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(
    target: str, certificates: Certificates, sign_in: OAuthClient | None = None
) -> AsyncIterator[ZeebeGateway]:
    address = GatewayAddress(target, is_encrypted=True, ca_file=certificates.ca_file, sign_in=sign_in)
    gateway = ZeebeGateway(address, worker_name="me", tenant_ids=())
    try:
        yield gateway
    finally:
        await gateway.close()


def client(url: str) -> OAuthClient:
    return OAuthClient("me", SECRET, authorization_server_url=url, audience="zeebe-api")


@pytest.fixture(autouse=True)
def _trust(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authorization server is reached by a library that has its own authorities."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca_file))


async def test_a_gateway_is_reached_in_tls_by_the_authority_that_is_named(certificates: Certificates) -> None:
    async with gateway_server(certificates) as (servicer, target), connected(target, certificates) as gateway:
        assert await gateway.version() == "8.8.0"
    assert servicer.brought == [""]


async def test_a_client_signs_in_once_and_brings_its_token(certificates: Certificates) -> None:
    async with (
        gateway_server(certificates) as (servicer, target),
        authorization_server(certificates) as (asked, url),
        connected(target, certificates, client(url)) as gateway,
    ):
        await gateway.version()
        await gateway.version()
    assert servicer.brought == ["Bearer t0ken"] * 2
    (request,) = asked
    assert (request["grant_type"], request["audience"]) == ("client_credentials", "zeebe-api")
    assert base64.b64decode(request["Authorization"].removeprefix("Basic ")) == f"me:{SECRET}".encode()


async def test_a_refused_sign_in_says_so_without_what_the_authorization_server_repeats(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        gateway_server(certificates) as (servicer, target),
        authorization_server(certificates, refuses=True) as (asked, url),
        connected(target, certificates, client(url)) as gateway,
    ):
        with caplog.at_level(logging.WARNING), pytest.raises(GatewayUnavailable) as caught:
            await gateway.version()
    assert str(caught.value) == ("UNAVAILABLE: the authorization server refused the sign-in (invalid_client)")
    assert servicer.brought == []
    assert asked
    said = caplog.text + str(caught.value)
    assert SECRET not in said
    assert base64.b64encode(f"me:{SECRET}".encode()).decode() not in said


async def test_a_proxy_for_what_is_far_away_is_not_asked_for_this_machine(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with gateway_server(certificates) as (_, target), connected(target, certificates) as gateway:
        assert await gateway.version() == "8.8.0"
