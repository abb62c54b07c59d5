"""Access tokens from a process on the real engine: fetched, shared, and never seen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from testkit.bpmn import one_task_process
from testkit.dovecot import Dovecot
from testkit.dovecot_oauth import oauth_options
from testkit.token_server import CLIENT_SECRET, TokenServer, status
from testkit.workers import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from testkit.certificates import Certificates

    from worker.sandbox import Engine

ANN = "ann@example.org"
PROCESS = one_task_process("with-token", "email.imap.list", headers={"resultVariable": "emails"})


@pytest_asyncio.fixture(loop_scope="session")
async def identity() -> AsyncIterator[TokenServer]:
    async with TokenServer(ANN) as running:
        yield running


@pytest.fixture
def dovecot(certificates: Certificates, identity: TokenServer) -> Iterator[Dovecot]:
    with (
        oauth_options(public_key=identity.public_key) as options,
        Dovecot(certificates.server, options) as server,
    ):
        server.add_user(ANN, "unused")
        server.populate(ANN, 1)
        yield server


def variables(identity: TokenServer, dovecot: Dovecot) -> dict[str, Any]:
    return {
        "authentication": identity.authentication(clientSecret="{{secrets.CLIENT}}"),
        "server": {"host": "127.0.0.1", "port": dovecot.imap_port, "cryptographicProtocol": "NONE"},
    }


def environment(identity: TokenServer) -> dict[str, str]:
    return {"SECRET_CLIENT": CLIENT_SECRET, "EMAIL_WORKER_ALLOWED_TOKEN_ENDPOINTS": identity.url}


async def test_instances_share_a_token_that_no_variable_shows(
    engine: Engine, identity: TokenServer, dovecot: Dovecot
) -> None:
    await engine.deploy(PROCESS)
    async with serving(engine.address, **environment(identity)):
        for _ in range(2):
            ended = await engine.completed(
                await engine.create_instance("with-token", variables(identity, dovecot))
            )
            assert [row["subject"] for row in ended["emails"]] == ["Message 1"]
            assert identity.tokens[0] not in json.dumps(ended)
            assert CLIENT_SECRET not in json.dumps(ended)
    assert len(identity.forms) == 1


async def test_a_task_without_an_account_uses_the_token_of_the_workers_own(
    engine: Engine, identity: TokenServer, dovecot: Dovecot
) -> None:
    await engine.deploy(PROCESS)
    sign_in = identity.authentication(clientSecret="{{secrets.CLIENT}}")
    own = {
        "EMAIL_WORKER_DEFAULT_IMAP_HOST": "127.0.0.1",
        "EMAIL_WORKER_DEFAULT_IMAP_PORT": str(dovecot.imap_port),
        "EMAIL_WORKER_DEFAULT_IMAP_CRYPTOGRAPHIC_PROTOCOL": "NONE",
        "EMAIL_WORKER_DEFAULT_IMAP_AUTHENTICATION": json.dumps(sign_in),
    }
    async with serving(engine.address, **environment(identity), **own):
        ended = await engine.completed(await engine.create_instance("with-token", {}))
    assert [row["subject"] for row in ended["emails"]] == ["Message 1"]
    assert len(identity.forms) == 1


async def test_an_incident_says_what_the_endpoint_and_the_mail_server_refuse(
    engine: Engine, identity: TokenServer, dovecot: Dovecot
) -> None:
    await engine.deploy(PROCESS)
    identity.faults.append(status(400, '{"error": "invalid_client", "error_description": "{client_secret}"}'))
    async with serving(engine.address, **environment(identity)):
        instance = await engine.create_instance("with-token", variables(identity, dovecot))
        incident = await engine.incident(instance)
        assert incident.message.startswith("TOKEN_REFUSED in email.imap.list: ")
        assert "(invalid_client: ***); check clientId and clientSecret" in incident.message
        await engine.cancel_instance(instance)
        identity.claims = {"scope": "mail.send"}
        instance = await engine.create_instance("with-token", variables(identity, dovecot))
        incident = await engine.incident(instance)
        assert "refused the access token" in incident.message
        assert not any(token in incident.message for token in identity.tokens)
        await engine.cancel_instance(instance)


async def test_an_endpoint_that_the_operator_does_not_allow_is_not_asked(
    engine: Engine, identity: TokenServer, dovecot: Dovecot
) -> None:
    await engine.deploy(PROCESS)
    async with serving(engine.address, SECRET_CLIENT=CLIENT_SECRET):
        instance = await engine.create_instance("with-token", variables(identity, dovecot))
        incident = await engine.incident(instance)
        assert incident.message.startswith("TOKEN_ENDPOINT_NOT_ALLOWED in email.imap.list: ")
        await engine.cancel_instance(instance)
    assert identity.forms == []
