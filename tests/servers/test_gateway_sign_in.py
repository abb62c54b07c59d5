"""Every way into a cluster that the settings know, over real channels to a gateway that asks for it."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from testkit.document_server import DocumentServer
from testkit.guarded_gateway import GuardedGateway

from worker.errors import InputError
from worker.job.engine_errors import GatewayUnavailable
from worker.job.gateway import Subscription
from worker.job.outcome import Completed
from worker.settings import Settings
from worker.wiring import open_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from testkit.certificates import Certificates

    from worker.job.gateway import ZeebeGateway

SECRET = "hunter2-and-more"
BASIC = f"Basic {base64.b64encode(f'jané:{SECRET}'.encode()).decode()}"
USER = {"CAMUNDA_BASIC_AUTH_USERNAME": "jané", "CAMUNDA_BASIC_AUTH_PASSWORD": SECRET}
CLIENT = {"CAMUNDA_CLIENT_ID": "me", "CAMUNDA_CLIENT_SECRET": SECRET}
SUBSCRIPTION = Subscription("email.test.send", (), 60.0, 30.0)


@asynccontextmanager
async def gateway_by(environment: dict[str, str]) -> AsyncIterator[ZeebeGateway]:
    gateway = open_gateway(Settings.from_environment(environment))
    try:
        yield gateway
    finally:
        await gateway.close()


async def work(gateway: ZeebeGateway) -> None:
    """Ask the gateway in every way that a worker does."""
    assert await gateway.version() == "8.8.0"
    (job,) = [job async for job in gateway.activate(SUBSCRIPTION, max_jobs=1)]
    await gateway.report(job, Completed({}))


def at(server: GuardedGateway, certificates: Certificates, **more: str) -> dict[str, str]:
    trust = {"CAMUNDA_MTLS_CA_PATH": str(certificates.ca_file)} if server.certificates else {}
    return {"ZEEBE_ADDRESS": server.target, **trust, **more}


async def test_a_gateway_is_reached_in_tls_by_the_authority_that_is_named(certificates: Certificates) -> None:
    async with (
        GuardedGateway(certificates) as server,
        gateway_by(at(server, certificates)) as gateway,
    ):
        await work(gateway)
    assert server.brought == [""] * 3


@pytest.mark.parametrize("is_encrypted", [True, False])
async def test_a_user_signs_in_by_basic_authentication(
    is_encrypted: bool, certificates: Certificates
) -> None:
    async with (
        GuardedGateway(certificates if is_encrypted else None, accepts={BASIC}) as server,
        gateway_by(at(server, certificates, CAMUNDA_AUTH_STRATEGY="BASIC", **USER)) as gateway,
    ):
        await work(gateway)
    assert server.brought == [BASIC] * 3


async def test_a_refused_password_says_so_without_the_password(certificates: Certificates) -> None:
    async with (
        GuardedGateway(certificates, accepts=set()) as server,
        gateway_by(at(server, certificates, **USER)) as gateway,
    ):
        with pytest.raises(GatewayUnavailable, match=r"Basic \*\*\*") as caught:
            await gateway.version()
    assert server.brought == [BASIC]
    assert SECRET not in str(caught.value)
    assert BASIC not in str(caught.value)


async def test_a_worker_shows_its_certificate(certificates: Certificates) -> None:
    mine = certificates.wrong_host
    files = {"CAMUNDA_MTLS_CERT_PATH": str(mine.chain_file), "CAMUNDA_MTLS_KEY_PATH": str(mine.key_file)}
    async with GuardedGateway(certificates, asks_for_certificate=True) as server:
        async with gateway_by(at(server, certificates, **files)) as gateway:
            await work(gateway)
        async with gateway_by(at(server, certificates)) as gateway:
            with pytest.raises(GatewayUnavailable):
                await gateway.version()
    assert server.shown == ["mail.example.net"] * 3


async def test_a_certificate_and_a_user_go_together(certificates: Certificates) -> None:
    mine = certificates.wrong_host
    files = {
        "CAMUNDA_CUSTOM_CERT_CHAIN_PATH": str(mine.chain_file),
        "CAMUNDA_CUSTOM_PRIVATE_KEY_PATH": str(mine.key_file),
    }
    async with (
        GuardedGateway(certificates, asks_for_certificate=True, accepts={BASIC}) as server,
        gateway_by(at(server, certificates, **files, **USER)) as gateway,
    ):
        await work(gateway)
    assert server.shown == ["mail.example.net"] * 3


def test_a_key_that_is_not_that_of_the_certificate_is_named(
    certificates: Certificates, tmp_path: Path
) -> None:
    files = {
        "CAMUNDA_MTLS_CERT_PATH": str(certificates.server.chain_file),
        "CAMUNDA_MTLS_KEY_PATH": str(certificates.expired.key_file),
    }
    key = load_pem_private_key(certificates.server.key_file.read_bytes(), password=None)
    with_passphrase = tmp_path / "encrypted.key"
    with_passphrase.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass"))
    )
    others = (with_passphrase, tmp_path / "none.key")
    for given in (files, *({**files, "CAMUNDA_MTLS_KEY_PATH": str(other)} for other in others)):
        with pytest.raises(InputError, match=r"CAMUNDA_MTLS_CERT_PATH: .* must be a certificate and its key"):
            open_gateway(Settings.from_environment(given))


async def test_a_client_signs_in_once_and_brings_its_token(certificates: Certificates) -> None:
    async with (
        DocumentServer(tls_context=certificates.server.server_context()) as identity,
        GuardedGateway(certificates, accepts={"Bearer token-1"}) as server,
        gateway_by(
            at(
                server,
                certificates,
                **CLIENT,
                ZEEBE_AUTHORIZATION_SERVER_URL=identity.token_url,
                ZEEBE_TOKEN_AUDIENCE="zeebe-api",
                ZEEBE_TOKEN_SCOPE="zeebe/.default",
            )
        ) as gateway,
    ):
        await work(gateway)
    assert server.brought == ["Bearer token-1"] * 3
    assert identity.sign_ins == [
        {
            "grant_type": "client_credentials",
            "client_id": "me",
            "client_secret": SECRET,
            "audience": "zeebe-api",
            "scope": "zeebe/.default",
        }
    ]


async def test_a_token_that_the_gateway_refuses_is_fetched_again(certificates: Certificates) -> None:
    async with (
        DocumentServer(tls_context=certificates.server.server_context()) as identity,
        GuardedGateway(certificates, accepts={"Bearer token-2"}) as server,
        gateway_by(at(server, certificates, **CLIENT, CAMUNDA_OAUTH_URL=identity.token_url)) as gateway,
    ):
        with pytest.raises(GatewayUnavailable, match="UNAUTHENTICATED") as caught:
            await gateway.version()
        await work(gateway)
    assert "token-1" not in str(caught.value)
    assert len(identity.sign_ins) == 2


async def test_on_this_machine_a_token_needs_no_tls(certificates: Certificates) -> None:
    async with (
        DocumentServer() as identity,
        GuardedGateway(accepts={"Bearer token-1"}) as server,
        gateway_by(
            {"ZEEBE_ADDRESS": f"http://{server.target}", **CLIENT, "CAMUNDA_OAUTH_URL": identity.token_url}
        ) as gateway,
    ):
        await work(gateway)
    assert len(identity.sign_ins) == 1


async def test_a_refused_sign_in_says_so_without_what_the_authorization_server_repeats(
    certificates: Certificates,
) -> None:
    async with (
        DocumentServer(tls_context=certificates.server.server_context()) as identity,
        GuardedGateway(certificates) as server,
        gateway_by(at(server, certificates, **CLIENT, CAMUNDA_OAUTH_URL=identity.token_url)) as gateway,
    ):
        identity.token_faults.extend([401, 401])
        with pytest.raises(GatewayUnavailable, match="refused the sign-in with status 401") as caught:
            await gateway.version()
        with pytest.raises(GatewayUnavailable, match="refused the sign-in with status 401"):
            _ = [job async for job in gateway.activate(SUBSCRIPTION, max_jobs=1)]
    assert server.brought == []
    assert SECRET not in str(caught.value)


async def test_a_token_endpoint_whose_authority_is_unknown_is_named_as_such(
    certificates: Certificates,
) -> None:
    async with (
        DocumentServer(tls_context=certificates.server.server_context()) as identity,
        gateway_by(
            {"ZEEBE_ADDRESS": "https://localhost:1", **CLIENT, "CAMUNDA_OAUTH_URL": identity.token_url}
        ) as gateway,
    ):
        with pytest.raises(GatewayUnavailable, match="its certificate is not trusted"):
            await gateway.version()


async def test_a_proxy_for_what_is_far_away_is_not_asked_for_this_machine(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with (
        DocumentServer(tls_context=certificates.server.server_context()) as identity,
        GuardedGateway(certificates) as server,
        gateway_by(at(server, certificates, **CLIENT, CAMUNDA_OAUTH_URL=identity.token_url)) as gateway,
    ):
        await work(gateway)


@pytest.mark.parametrize("name", ["CAMUNDA_TENANT_IDS", "CAMUNDA_TENANT_ID", "ZEEBE_DEFAULT_TENANT_ID"])
async def test_a_process_is_deployed_and_started_for_the_tenant_that_is_named(
    name: str, certificates: Certificates, tmp_path: Path
) -> None:
    file = tmp_path / "a.bpmn"
    file.write_text("<definitions/>")
    async with (
        GuardedGateway() as server,
        gateway_by(at(server, certificates, **{name: "red"})) as gateway,
    ):
        await gateway.deploy(file)
        await gateway.start("a", {})
    assert server.tenants == ["red", "red"]


async def test_of_two_tenants_none_is_chosen(certificates: Certificates) -> None:
    async with (
        GuardedGateway() as server,
        gateway_by(at(server, certificates, CAMUNDA_TENANT_IDS="red,blue")) as gateway,
    ):
        with pytest.raises(InputError, match="CAMUNDA_TENANT_IDS names more than one tenant"):
            await gateway.start("a", {})
    assert server.tenants == []
