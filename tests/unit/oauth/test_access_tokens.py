"""How tokens are fetched, shared, renewed and given up, at a token server with every fault."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from pydantic import ValidationError
from testkit.certificates import Certificates
from testkit.client_keys import certificate_of, pem_of, public_pem
from testkit.token_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    SCOPE,
    TokenServer,
    hold,
    signing_key,
    status,
)

from worker.documents.http_client import HttpClient, HttpTimeouts
from worker.documents.urls import UrlPattern, UrlPolicy
from worker.errors import (
    AuthenticationFailed,
    InputError,
    TokenEndpointNotAllowed,
    TokenEndpointUnavailable,
    TokenRefused,
)
from worker.mail.account import Account, MailProtocol, account_of
from worker.mail.connection import TokenMissing
from worker.masking import Mask, masking
from worker.models.authentication import Authentication, TokenCredentials
from worker.models.base import Server
from worker.oauth.access_tokens import TOKEN_FAILURES, AccessTokens, endpoint_not_allowed

if TYPE_CHECKING:
    from pathlib import Path

SERVER = Server.model_validate({"host": "mail.example.org"})


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    async with TokenServer() as running:
        yield running


@asynccontextmanager
async def tokens_for(
    *urls: str, clock: Clock | None = None, context: ssl.SSLContext | None = None, **more: Any
) -> AsyncIterator[AccessTokens]:
    timeouts = HttpTimeouts(10, 10, more.pop("total_seconds", 10))
    http = HttpClient(context or ssl.create_default_context(), timeouts, TOKEN_FAILURES)
    policy = UrlPolicy(tuple(map(UrlPattern.parse, urls)), endpoint_not_allowed)
    tokens = AccessTokens(http, policy, clock=clock or Clock(), **more)
    try:
        yield tokens
    finally:
        await tokens.close()


@pytest.fixture
async def tokens(server: TokenServer, clock: Clock) -> AsyncIterator[AccessTokens]:
    async with tokens_for(server.url, clock=clock) as opened:
        yield opened


def account(authentication: dict[str, Any], protocol: MailProtocol = MailProtocol.IMAP) -> Account:
    return account_of(protocol, SERVER, Authentication.model_validate(authentication))


def credentials(server: TokenServer) -> TokenCredentials:
    found = account(server.authentication()).token_credentials
    assert found is not None
    return found


class MailServer:
    """A sign-in as sessions do it: no token is missed, and those in `refused` are refused."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.refused: set[str] = set()

    async def work(self, account: Account) -> str:
        if account.token is None:
            raise TokenMissing
        self.shown.append(account.token)
        if account.token in self.refused:
            raise AuthenticationFailed("no", server="mail.example.org")
        return account.token


async def test_a_token_is_fetched_once_and_shared_by_jobs_and_protocols(
    server: TokenServer, tokens: AccessTokens
) -> None:
    mail = MailServer()
    protocols = [MailProtocol.IMAP, MailProtocol.POP3, MailProtocol.SMTP] * 5
    accounts = [account(server.authentication(), protocol) for protocol in protocols]
    shown = await asyncio.gather(*(tokens.sign_in(each, mail.work) for each in accounts))
    assert set(shown) == set(server.tokens)
    (form,) = server.forms
    assert form == {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": SCOPE,
    }


async def test_the_client_may_show_its_secret_in_the_header(
    server: TokenServer, tokens: AccessTokens
) -> None:
    given = server.authentication(clientAuthentication="basicAuthHeader", audience="https://mail")
    await tokens.sign_in(account(given), MailServer().work)
    assert server.forms == [{"grant_type": "client_credentials", "scope": SCOPE, "audience": "https://mail"}]
    shown = base64.b64decode(server.authorizations[0].removeprefix("Basic ")).decode()
    assert shown == "email-worker:cl13nt+s3cret%2F%2B"  # RFC 6749, 2.3.1


async def test_a_token_is_renewed_before_it_ends(
    server: TokenServer, tokens: AccessTokens, clock: Clock
) -> None:
    mail, ann = MailServer(), account(server.authentication())
    first = await tokens.sign_in(ann, mail.work)
    clock.seconds += 3_600 - 61
    assert await tokens.sign_in(ann, mail.work) == first
    clock.seconds += 2
    second = await tokens.sign_in(ann, mail.work)
    assert [first, second] == server.tokens


async def test_a_session_that_is_open_needs_no_token(server: TokenServer, tokens: AccessTokens) -> None:
    async def work(_: Account) -> str:
        return "done"

    assert await tokens.sign_in(account(server.authentication()), work) == "done"
    assert server.forms == []


async def test_a_refused_token_is_fetched_again_once(server: TokenServer, tokens: AccessTokens) -> None:
    mail, ann = MailServer(), account(server.authentication())
    mail.refused.add(await tokens.sign_in(ann, mail.work))
    assert await tokens.sign_in(ann, mail.work) == server.tokens[1]

    class Deaf(MailServer):
        async def work(self, account: Account) -> str:
            self.refused = {account.token or ""}
            return await super().work(account)

    deaf = Deaf()
    with pytest.raises(AuthenticationFailed):
        await tokens.sign_in(ann, deaf.work)
    assert len(deaf.shown) == 2
    assert len(server.forms) == 3


async def test_many_who_are_refused_fetch_one_token(server: TokenServer, tokens: AccessTokens) -> None:
    mail, ann = MailServer(), account(server.authentication())
    mail.refused.add(await tokens.sign_in(ann, mail.work))
    shown = await asyncio.gather(*(tokens.sign_in(ann, mail.work) for _ in range(10)))
    assert set(shown) == {server.tokens[1]}
    assert (len(server.forms), server.most_at_once) == (2, 1)


async def test_a_slow_endpoint_holds_up_nobody_else(server: TokenServer, tokens: AccessTokens) -> None:
    release, mail = asyncio.Event(), MailServer()
    server.faults.append(hold(release))
    ann = asyncio.create_task(tokens.sign_in(account(server.authentication()), mail.work))
    await server.asked.wait()
    bob = account(server.authentication(username="bob@example.org"))
    assert await tokens.sign_in(bob, mail.work)
    assert not ann.done()
    release.set()
    assert await ann in server.tokens


async def test_one_who_gives_up_does_not_take_the_token_from_the_others(
    server: TokenServer, tokens: AccessTokens
) -> None:
    release, mail, ann = asyncio.Event(), MailServer(), account(server.authentication())
    server.faults.append(hold(release))
    first, second = (asyncio.create_task(tokens.sign_in(ann, mail.work)) for _ in range(2))
    await server.asked.wait()
    first.cancel()
    release.set()
    assert await second == server.tokens[0]


async def test_a_job_that_waits_for_a_token_holds_what_it_is_told_to(
    server: TokenServer, tokens: AccessTokens
) -> None:
    held: list[str] = []

    @asynccontextmanager
    async def waiting(endpoint: str) -> AsyncIterator[None]:
        assert endpoint == f"localhost:{server.port}"
        held.append("waits")
        yield
        held.append("goes on")

    async def work(account: Account) -> str:
        held.append("works")
        return await MailServer().work(account)

    await tokens.sign_in(account(server.authentication()), work, waiting)
    assert held == ["works", "waits", "goes on", "works"]


@pytest.mark.parametrize("answer", [(429, ""), (503, ""), (400, '{"error": "slow_down"}')])
async def test_an_endpoint_that_asks_to_wait_is_told_with_the_failure(
    server: TokenServer, tokens: AccessTokens, answer: tuple[int, str]
) -> None:
    server.faults.append(status(*answer, retry_after="120"))
    with pytest.raises(TokenEndpointUnavailable) as caught:
        await tokens.sign_in(account(server.authentication()), MailServer().work)

    assert caught.value.details["status"] == answer[0]
    assert caught.value.details["retryAfterSeconds"] == 120


@pytest.mark.parametrize(
    ("code", "body", "kind", "said"),
    [
        (500, "", TokenEndpointUnavailable, "answered with status 500"),
        (503, "<html>", TokenEndpointUnavailable, "answered with status 503"),
        (429, "", TokenEndpointUnavailable, "answered with status 429"),
        (400, '{"error": "temporarily_unavailable"}', TokenEndpointUnavailable, "temporarily_unavailable"),
        (401, '{"error": "invalid_client"}', TokenRefused, "check clientId and clientSecret"),
        (400, '{"error": "invalid_scope", "error_description": "No such"}', TokenRefused, "No such"),
        (400, '{"error": "consent_required"}', TokenRefused, "consent_required"),
        (400, '{"error": "{client_secret}"}', TokenRefused, r"\*\*\*"),
        (400, '{"error": ["a"], "error_description": {"b": 1}}', TokenRefused, "refused"),
        (400, "no JSON", TokenRefused, "gave no access token"),
        (404, "", TokenRefused, "status 404, but gave no access token"),
        (302, "", TokenRefused, "status 302"),
        (200, "<html>Sign in", TokenRefused, "gave no access token"),
        (200, "[1]", TokenRefused, "gave no access token"),
        (200, '"text"', TokenRefused, "gave no access token"),
        (200, "null", TokenRefused, "gave no access token"),
        (200, "{}", TokenRefused, "gave no access token"),
        (200, "[" * 20_000, TokenRefused, "gave no access token"),
        (200, '{"access_token": 7}', TokenRefused, "gave no access token"),
        (200, '{"access_token": ""}', TokenRefused, "gave no access token"),
        (200, '{"access_token": "two words"}', TokenRefused, "gave no access token"),
        (200, '{"access_token": "a\\r\\nb"}', TokenRefused, "gave no access token"),
        (200, '{"access_token": "ä"}', TokenRefused, "gave no access token"),
        (200, '{"access_token": "", "error": ""}', TokenRefused, "gave no access token"),
        (200, '{"access_token": "a", "refresh_token": 1}', TokenRefused, "gave no access token"),
        (200, "x" * 300_000, TokenRefused, "more than 200,000 bytes"),
    ],
)
async def test_an_answer_without_a_token_says_what_is_wrong(
    server: TokenServer,
    tokens: AccessTokens,
    code: int,
    body: str,
    kind: type[Exception],
    said: str,
) -> None:
    server.faults.append(status(code, body))
    mask = Mask()
    mask.learn(CLIENT_SECRET)
    with masking(mask), pytest.raises(kind, match=said) as caught:
        await tokens.sign_in(account(server.authentication()), MailServer().work)
    assert CLIENT_SECRET not in str(caught.value)
    assert str(server.port) in str(caught.value)
    # What was wrong is forgotten: the next one is asked for.
    assert await tokens.sign_in(account(server.authentication()), MailServer().work) in server.tokens


@pytest.mark.parametrize(
    "life",
    [0, -5, None, True, 1e300, 10**400, 0.5, math.nan, math.inf, "", "3599.0", "3,600", "soon", [3600], {}],
)
async def test_a_token_with_an_odd_life_is_used_all_the_same(
    server: TokenServer, tokens: AccessTokens, life: Any
) -> None:
    server.life_seconds = life
    assert await tokens.sign_in(account(server.authentication()), MailServer().work) in server.tokens


@pytest.mark.parametrize(
    "more",
    [
        {"scope": 7},
        {"scope": {"a": 1}},
        {"error": None},
        {"error": ""},
        {"expires_at": [1]},
        {"token_type": 1},
    ],
    ids=str,
)
async def test_only_what_is_needed_of_an_answer_has_to_be_readable(
    server: TokenServer, tokens: AccessTokens, more: dict[str, Any]
) -> None:
    server.faults.append(status(200, json.dumps({"access_token": "t0ken", **more})))
    assert await tokens.sign_in(account(server.authentication()), MailServer().work) == "t0ken"


async def test_a_life_that_is_text_counts(server: TokenServer, tokens: AccessTokens, clock: Clock) -> None:
    server.life_seconds = "3599.0"  # type: ignore[assignment]
    first = await tokens.token(credentials(server))
    clock.seconds += 3_000
    assert await tokens.token(credentials(server)) == first
    clock.seconds += 600
    assert await tokens.token(credentials(server)) != first


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
async def test_an_answer_with_a_byte_order_mark_is_read(
    server: TokenServer, tokens: AccessTokens, encoding: str
) -> None:
    async def answer(_: dict[str, str]) -> web.StreamResponse:
        return web.Response(body='{"access_token": "t0ken"}'.encode(encoding))

    server.faults.append(answer)
    assert await tokens.token(credentials(server)) == "t0ken"


@pytest.mark.parametrize("place", ["", ":443", "h:", "h:x", "h:1:2", "[::1", "::1", "a,b", "h:999999"])
def test_an_endpoint_without_a_host_and_a_port_that_can_be_read_is_refused(place: str) -> None:
    with pytest.raises(ValidationError, match="must be a URL such as"):
        account(
            {
                "type": "oauth-client-credentials-flow",
                "username": "a",
                "clientId": "b",
                "clientSecret": "c",
                "oauthTokenEndpoint": f"https://{place}/token",
            }
        )


async def test_the_case_of_an_endpoints_scheme_does_not_matter(
    server: TokenServer, tokens: AccessTokens
) -> None:
    given = server.authentication(oauthTokenEndpoint=server.url.replace("http:", "Http:"))
    assert await tokens.sign_in(account(given), MailServer().work) in server.tokens


async def test_an_endpoint_that_is_not_allowed_is_not_asked(server: TokenServer) -> None:
    async with tokens_for("https://login.example.com/token") as tokens:
        with pytest.raises(TokenEndpointNotAllowed, match="EMAIL_WORKER_ALLOWED_TOKEN_ENDPOINTS"):
            await tokens.sign_in(account(server.authentication()), MailServer().work)
    assert server.forms == []


async def test_an_endpoint_that_does_not_answer_in_time_is_given_up(server: TokenServer) -> None:
    server.faults.append(hold(asyncio.Event()))
    async with tokens_for(server.url, total_seconds=0.2) as tokens:
        with pytest.raises(TokenEndpointUnavailable, match="did not answer in time"):
            await tokens.sign_in(account(server.authentication()), MailServer().work)


async def test_a_certificate_of_the_endpoint_must_be_trusted(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    context = certificates.server.server_context()
    async with TokenServer(tls_context=context) as server:
        async with tokens_for(server.url) as strangers:
            with pytest.raises(TokenRefused, match="its certificate is not trusted"):
                await strangers.sign_in(account(server.authentication()), MailServer().work)
        async with tokens_for(server.url, context=certificates.client_context()) as friends:
            assert await friends.sign_in(account(server.authentication()), MailServer().work)


async def test_what_the_endpoint_gives_is_masked(server: TokenServer, tokens: AccessTokens) -> None:
    ann = account(server.authentication())
    for mask in (Mask(), Mask()):  # also of one who did not fetch it
        with masking(mask):
            token = await tokens.sign_in(ann, MailServer().work)
        assert mask.hide(f"Bearer {token}") == "Bearer ***"
    assert token not in repr(ann)
    assert CLIENT_SECRET not in repr(ann)


def refreshing(server: TokenServer, **changes: Any) -> dict[str, Any]:
    return server.authentication(type="oauth-refresh-token-flow", refreshToken="refresh-0", **changes)


async def test_a_refresh_token_that_the_endpoint_replaces_is_replaced(
    server: TokenServer, tokens: AccessTokens, clock: Clock
) -> None:
    server.rotates = True
    ann, mail = account(refreshing(server)), MailServer()
    for _ in range(3):
        await tokens.sign_in(ann, mail.work)
        clock.seconds += 4_000
    sent = [form["refresh_token"] for form in server.forms]
    assert sent == ["refresh-0", "refresh-1", "refresh-2"]
    server.faults.append(status(400, '{"error": "invalid_grant", "error_description": "no refresh-3"}'))
    with masking(Mask()), pytest.raises(TokenRefused, match=r"no \*\*\*"):
        await tokens.sign_in(ann, mail.work)
    assert {"client_id", "client_secret", "scope", "grant_type"} <= set(server.forms[0])


async def test_a_refresh_token_that_is_used_up_says_so(server: TokenServer, tokens: AccessTokens) -> None:
    server.refresh_tokens = {"another"}
    with pytest.raises(TokenRefused, match="choose a flow without refresh tokens") as caught:
        await tokens.sign_in(account(refreshing(server)), MailServer().work)
    assert caught.value.details["error"] == "invalid_grant"
    server.refresh_tokens = {"refresh-0"}
    assert await tokens.sign_in(account(refreshing(server)), MailServer().work)


async def test_an_account_may_have_several_credentials(server: TokenServer, tokens: AccessTokens) -> None:
    mail = MailServer()
    right, wrong = server.authentication(), server.authentication(clientSecret="wrong")
    await tokens.sign_in(account(right), mail.work)
    with pytest.raises(TokenRefused, match="invalid_client"):
        await tokens.sign_in(account(wrong), mail.work)


async def test_a_key_that_cannot_be_read_is_the_tasks_fault(
    server: TokenServer, tokens: AccessTokens
) -> None:
    given = {"type": "oauth-jwt-bearer-flow", "username": "a", "oauthTokenEndpoint": server.url}
    curve = json.dumps({"client_email": "a", "private_key": pem_of(generate_ec_key(SECP256R1()))})
    numbers = ('{"client_email": 1, "private_key": "x"}', '{"client_email": "a", "private_key": 1}')
    for key in ("{}", "{", *numbers, curve, "PEM", "\ud800"):
        with pytest.raises(InputError, match=r"authentication\.privateKey must be"):
            await tokens.sign_in(account({**given, "privateKey": key, "clientId": "a"}), MailServer().work)


SUBJECT = "ann@example.org"


def with_key(server: TokenServer, key: str, **changes: Any) -> dict[str, Any]:
    return {
        "type": "oauth-jwt-bearer-flow",
        "username": SUBJECT,
        "oauthTokenEndpoint": server.url,
        "privateKey": key,
        "scopes": SCOPE,
        **changes,
    }


async def test_a_service_account_asks_for_the_user_whose_mailbox_it_is(
    server: TokenServer, tokens: AccessTokens
) -> None:
    server.assertion_key = public_pem(signing_key())
    google = {
        "type": "service_account",
        "client_email": "worker@project.iam.gserviceaccount.com",
        "private_key_id": "k1",
        "private_key": pem_of(signing_key()),
        "token_uri": server.url,
    }
    given = with_key(server, json.dumps(google), oauthTokenEndpoint=None)
    mask = Mask()
    with masking(mask):
        await tokens.sign_in(account(given), MailServer().work)
    (form,) = server.forms
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert set(form) == {"grant_type", "assertion"}
    assert jwt.get_unverified_header(form["assertion"]) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    claims = jwt.decode(form["assertion"], options={"verify_signature": False})
    assert (claims["iss"], claims["sub"]) == (google["client_email"], SUBJECT)
    assert (claims["aud"], claims["scope"]) == (server.url, SCOPE)
    assert claims["exp"] - claims["iat"] <= 3600
    assert mask.hide(form["assertion"]) == mask.hide(google["private_key"]).strip() == "***"


@pytest.mark.parametrize("line_break", ["\\r\\n", "\r\n", "\\n", "\n"])
async def test_a_key_is_read_with_any_line_breaks(
    server: TokenServer, tokens: AccessTokens, line_break: str
) -> None:
    server.assertion_key = public_pem(signing_key())
    pem = pem_of(signing_key())
    google = json.dumps({"client_email": "a@example.org", "private_key": pem}).replace("\\n", line_break)
    for given in ({"privateKey": pem.replace("\n", line_break), "clientId": "app"}, {"privateKey": google}):
        await tokens.sign_in(account(with_key(server, "", **given)), MailServer().work)
    assert len(server.tokens) == 2


@pytest.mark.parametrize("algorithm", ["PS256", "ES256"])
async def test_an_app_signs_in_by_its_certificate(
    server: TokenServer, tokens: AccessTokens, algorithm: str
) -> None:
    key = signing_key() if algorithm == "PS256" else generate_ec_key(SECP256R1())
    server.assertion_key = public_pem(key)
    certificate = certificate_of(key)
    # In an env file, line breaks are written out.
    pem = (certificate + pem_of(key)).replace("\n", "\\n")
    await tokens.sign_in(account(with_key(server, pem, clientId="app")), MailServer().work)
    (form,) = server.forms
    assert form["grant_type"] == "client_credentials"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    digest = x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA256())
    header = jwt.get_unverified_header(form["client_assertion"])
    assert header["alg"] == algorithm
    assert base64.urlsafe_b64decode(header["x5t#S256"] + "=") == digest
    claims = jwt.decode(form["client_assertion"], options={"verify_signature": False})
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("app", "app", server.url)


async def test_a_key_with_a_subject_asks_for_that_user(server: TokenServer, tokens: AccessTokens) -> None:
    server.assertion_key = public_pem(signing_key())
    given = with_key(server, pem_of(signing_key()), clientId="app", subject="bob@example.org")
    await tokens.sign_in(account(given), MailServer().work)
    (form,) = server.forms
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(form["assertion"], options={"verify_signature": False})
    assert (claims["iss"], claims["sub"]) == ("app", "bob@example.org")


async def test_a_certificate_of_another_key_is_named(server: TokenServer, tokens: AccessTokens) -> None:
    pem = certificate_of(generate_ec_key(SECP256R1())) + pem_of(signing_key())
    with pytest.raises(InputError, match="a certificate that is not that of the private key"):
        await tokens.sign_in(account(with_key(server, pem, clientId="app")), MailServer().work)


async def test_a_clock_that_is_off_is_named(server: TokenServer, tokens: AccessTokens) -> None:
    server.assertion_key = public_pem(signing_key())
    given = account(with_key(server, pem_of(signing_key()), clientId="app"))
    for seconds, said in ((-900, "ahead of"), (900, "behind")):
        server.clock_seconds = seconds
        with pytest.raises(TokenRefused, match=rf"the worker's clock, which is (89|90)\d seconds {said}"):
            await tokens.sign_in(given, MailServer().work)
    server.clock_seconds = 30
    assert await tokens.sign_in(given, MailServer().work)
