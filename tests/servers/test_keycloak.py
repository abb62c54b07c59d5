"""Tokens of Keycloak, shown to Dovecot, which verifies them by Keycloak's key or asks Keycloak."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from testkit.certificates import Certificates
from testkit.client_keys import certificate_of, pem_of
from testkit.dovecot import Dovecot
from testkit.dovecot_oauth import oauth_options
from testkit.keycloak import KEY_CLIENT_ID, MAIL_SERVER_SECRET, Keycloak
from testkit.token_server import CLIENT_ID, CLIENT_SECRET, signing_key
from testkit.workers import email_worker

from worker.documents.http_client import HttpClient, HttpTimeouts
from worker.documents.urls import UrlPattern, UrlPolicy
from worker.errors import AuthenticationFailed, TokenRefused
from worker.mail.account import Account, MailProtocol, account_of
from worker.mail.connection import TokenMissing
from worker.models.authentication import Authentication
from worker.models.base import Server
from worker.oauth.access_tokens import TOKEN_FAILURES, AccessTokens, endpoint_not_allowed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from worker import EmailWorker

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("keycloak")]
ANN = "ann@example.org"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def keycloak(authority: Certificates) -> Iterator[Keycloak]:
    with Keycloak(authority, ANN, "s3cret", certificate_of(signing_key())) as running:
        yield running


@pytest.fixture(scope="module", params=["key set", "introspection"])
def dovecot_of_keycloak(
    request: pytest.FixtureRequest, authority: Certificates, keycloak: Keycloak
) -> Iterator[Dovecot]:
    if request.param == "key set":
        key = keycloak.signing_key()
        public = jwt.PyJWK(key).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        validation = {"public_key": public, "key_id": key["kid"]}
    else:
        validation = {
            "introspection_url": keycloak.introspection_url,
            "introspection_mode": "post",
            "client_secret": MAIL_SERVER_SECRET,
        }
    with ExitStack() as stack:
        options = stack.enter_context(oauth_options(**validation))
        server = stack.enter_context(Dovecot(authority.server, options))
        server.add_user(ANN, "unused")
        server.deliver(ANN, b"Subject: Hello\r\n\r\nHello Ann\r\n")
        yield server


@pytest.fixture
async def worker(keycloak: Keycloak, authority: Certificates) -> AsyncIterator[EmailWorker]:
    settings = {
        "EMAIL_WORKER_ALLOWED_TOKEN_ENDPOINTS": keycloak.url,
        "EMAIL_WORKER_TLS_CA_FILE": str(authority.ca_file),
    }
    async with email_worker(**settings) as opened:
        yield opened


@pytest.fixture
def client(keycloak: Keycloak) -> dict[str, Any]:
    return {
        "type": "oauth-client-credentials-flow",
        "username": ANN,
        "oauthTokenEndpoint": keycloak.url,
        "clientId": CLIENT_ID,
        "clientSecret": CLIENT_SECRET,
    }


def listing(authentication: dict[str, Any], server: Dovecot) -> dict[str, Any]:
    return {
        "authentication": authentication,
        "server": {"host": "localhost", "port": server.imaps_port, "cryptographicProtocol": "SSL"},
    }


async def list_subjects(worker: EmailWorker, authentication: dict[str, Any], server: Dovecot) -> list[str]:
    rows = await worker.call("email.imap.list", listing(authentication, server))
    return [row["subject"] for row in rows]


@pytest.mark.parametrize("place", ["credentialsBody", "basicAuthHeader"])
async def test_client_credentials(
    worker: EmailWorker, client: dict[str, Any], dovecot_of_keycloak: Dovecot, place: str
) -> None:
    given = {**client, "clientAuthentication": place}
    assert await list_subjects(worker, given, dovecot_of_keycloak) == ["Hello"]


async def test_refresh_tokens_that_are_good_once_are_followed_and_a_revoked_one_is_named(
    worker: EmailWorker,
    client: dict[str, Any],
    keycloak: Keycloak,
    authority: Certificates,
    dovecot_of_keycloak: Dovecot,
) -> None:
    given = {**client, "type": "oauth-refresh-token-flow", "refreshToken": keycloak.refresh_token()}
    passed = 0.0
    http = HttpClient(authority.client_context(), HttpTimeouts(10, 30, 30), TOKEN_FAILURES)
    policy = UrlPolicy((UrlPattern.parse(keycloak.url),), endpoint_not_allowed)
    tokens = AccessTokens(http, policy, clock=lambda: passed)
    account = account_of(MailProtocol.IMAP, Server(host="localhost"), Authentication.model_validate(given))

    async def shown(account: Account) -> str:
        if account.token is None:
            raise TokenMissing
        return account.token

    fetched = set()
    for _ in range(3):
        fetched.add(await tokens.sign_in(account, shown))
        passed += 86_400
    await tokens.close()
    assert len(fetched) == 3
    bearer = {"type": "bearer", "username": ANN, "token": fetched.pop()}
    assert await list_subjects(worker, bearer, dovecot_of_keycloak) == ["Hello"]
    keycloak.revoke(given["refreshToken"])
    with pytest.raises(TokenRefused, match="has expired, was revoked, or has been used before"):
        await list_subjects(worker, given, dovecot_of_keycloak)


async def test_a_certificate_in_place_of_a_secret(
    worker: EmailWorker, keycloak: Keycloak, dovecot_of_keycloak: Dovecot
) -> None:
    given = {
        "type": "oauth-jwt-bearer-flow",
        "username": ANN,
        "oauthTokenEndpoint": keycloak.url,
        "clientId": KEY_CLIENT_ID,
        "privateKey": pem_of(signing_key()) + certificate_of(signing_key()),
    }
    assert await list_subjects(worker, given, dovecot_of_keycloak) == ["Hello"]


async def test_a_wrong_secret_is_told(
    worker: EmailWorker, client: dict[str, Any], dovecot_of_keycloak: Dovecot
) -> None:
    given = {**client, "clientSecret": "wr0ng-s3cret"}
    with pytest.raises(TokenRefused, match="check clientId and clientSecret") as caught:
        await list_subjects(worker, given, dovecot_of_keycloak)
    assert "wr0ng" not in caught.value.message


async def test_a_scope_that_keycloak_does_not_know_is_told(
    worker: EmailWorker, client: dict[str, Any], dovecot_of_keycloak: Dovecot
) -> None:
    with pytest.raises(TokenRefused, match=r"invalid_scope.*check scopes"):
        await list_subjects(worker, {**client, "scopes": "mail.fly"}, dovecot_of_keycloak)


async def test_a_token_for_another_mailbox_is_told(
    worker: EmailWorker, client: dict[str, Any], dovecot_of_keycloak: Dovecot
) -> None:
    with pytest.raises(AuthenticationFailed, match="refused the access token"):
        await list_subjects(worker, {**client, "username": "bob@example.org"}, dovecot_of_keycloak)
