"""Access tokens at real mail servers: Dovecot, Postfix that asks Dovecot, and GreenMail."""

from __future__ import annotations

from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from testkit.accounts import Account
from testkit.counting_proxy import CountingProxy
from testkit.dovecot import Dovecot
from testkit.dovecot_oauth import oauth_options
from testkit.postfix import Postfix, PostfixOptions
from testkit.scripted_server import Dialogue, ScriptedServer, Step, expect, hang, say
from testkit.token_server import TokenServer
from testkit.wire import ImapWire
from testkit.workers import email_worker

from worker.errors import AuthenticationFailed, NotSupported, TokenEndpointUnavailable, TokenRefused
from worker.sandbox import MailServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from testkit.certificates import Certificates

    from worker import EmailWorker

ANN = "ann@example.org"
MAIL = {"from": ANN, "to": "bob@example.org", "subject": "Hello", "body": "Hello Bob"}


IMAP_BEGIN = [
    say("* OK ready"),
    expect(r"\S+ CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=XOAUTH2", "{tag} OK done"),
]


@pytest.fixture
async def identity() -> AsyncIterator[TokenServer]:
    async with TokenServer(ANN) as server:
        yield server


@pytest.fixture(params=["local", "introspection"])
def validation(request: pytest.FixtureRequest, identity: TokenServer) -> dict[str, str]:
    """How Dovecot finds out about a token: by the signature, or by asking."""
    if request.param == "local":
        return {"public_key": identity.public_key}
    return {"introspection_url": identity.introspection_url}


@pytest.fixture(params=["oauthbearer xoauth2", "xoauth2"])
def mechanisms(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def worker_for(identity: TokenServer, certificates: Certificates) -> AsyncIterator[EmailWorker]:
    async with email_worker(
        EMAIL_WORKER_ALLOWED_TOKEN_ENDPOINTS=identity.url,
        EMAIL_WORKER_TLS_CA_FILE=str(certificates.ca_file),
    ) as worker:
        yield worker


@pytest.fixture
async def worker(identity: TokenServer, certificates: Certificates) -> AsyncIterator[EmailWorker]:
    async with worker_for(identity, certificates) as opened:
        yield opened


@pytest.fixture
def tokens_dovecot(
    certificates: Certificates, validation: dict[str, str], mechanisms: str
) -> Iterator[Dovecot]:
    with ExitStack() as stack:
        options = stack.enter_context(oauth_options(**validation, mechanisms=mechanisms))
        server = stack.enter_context(Dovecot(certificates.server, options))
        server.add_user(ANN, "unused")
        server.deliver(ANN, b"Subject: Hello\r\n\r\nHello Ann\r\n")
        yield server


@pytest.fixture
def dovecot_with_tokens(certificates: Certificates, identity: TokenServer) -> Iterator[Dovecot]:
    """One that validates itself and knows both mechanisms."""
    with (
        oauth_options(public_key=identity.public_key) as options,
        Dovecot(certificates.server, options) as server,
    ):
        server.add_user(ANN, "unused")
        yield server


def variables(authentication: dict[str, Any], port: int, **parameters: Any) -> dict[str, Any]:
    return {
        "authentication": authentication,
        "server": {"host": "localhost", "port": port, "cryptographicProtocol": "SSL"},
        "parameters": parameters,
    }


async def test_a_token_opens_a_mailbox_by_both_protocols(
    worker: EmailWorker, identity: TokenServer, tokens_dovecot: Dovecot, mechanisms: str
) -> None:
    sign_in = identity.authentication()
    (by_imap,) = await worker.call("email.imap.list", variables(sign_in, tokens_dovecot.imaps_port))
    (by_pop3,) = await worker.call("email.pop3.list", variables(sign_in, tokens_dovecot.pop3s_port))
    assert by_imap["subject"] == by_pop3["subject"] == "Hello"
    assert len(identity.forms) == 1
    assert tokens_dovecot.log().count(f"method={mechanisms.split(maxsplit=1)[0].upper()}") == 2


@pytest.mark.parametrize("claims", [{"exp": 1_000_000}, {"scope": "mail.send"}, {"email": "bob@example.org"}])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_a_token_that_is_not_good_is_fetched_again_once_and_then_told(
    worker: EmailWorker,
    identity: TokenServer,
    tokens_dovecot: Dovecot,
    protocol: str,
    claims: dict[str, Any],
) -> None:
    identity.claims = claims
    port = tokens_dovecot.imaps_port if protocol == "imap" else tokens_dovecot.pop3s_port
    with pytest.raises(AuthenticationFailed, match="expired or was revoked, or is for another") as caught:
        await worker.call(f"email.{protocol}.list", variables(identity.authentication(), port))
    assert len(identity.tokens) == 2
    assert not any(token in caught.value.message for token in identity.tokens)
    assert "user name and password" not in caught.value.message


async def test_a_server_that_asks_for_the_token_gets_it_and_says_why_it_is_refused(
    certificates: Certificates, worker: EmailWorker, identity: TokenServer
) -> None:
    with (
        oauth_options(public_key=identity.public_key) as options,
        Dovecot(certificates.server, replace(options, capability="IMAP4rev1 UIDPLUS")) as server,
    ):
        server.add_user(ANN, "unused")
        given = variables(identity.authentication(), server.imaps_port)
        assert await worker.call("email.imap.list", given) == []
        identity.claims = {"exp": 1_000_000}
        other = variables(identity.authentication(audience="another"), server.imaps_port)
        with pytest.raises(AuthenticationFailed, match="expired or was revoked, or is for another"):
            await worker.call("email.imap.list", other)


async def test_a_revoked_token_is_replaced_without_an_error(
    certificates: Certificates, worker: EmailWorker, identity: TokenServer
) -> None:
    with (
        oauth_options(introspection_url=identity.introspection_url) as options,
        Dovecot(certificates.server, options) as server,
    ):
        server.add_user(ANN, "unused")
        given = variables(identity.authentication(), server.imaps_port)
        await worker.call("email.imap.list", given)
        identity.refused_tokens = set(identity.tokens)
        server.restart()
        await worker.call("email.imap.list", given)
    assert len(identity.tokens) == 2


async def test_a_new_token_needs_no_new_session(
    worker: EmailWorker, identity: TokenServer, dovecot_with_tokens: Dovecot
) -> None:
    identity.life_seconds = 0.001
    async with CountingProxy(ImapWire, dovecot_with_tokens.imap_port) as proxy:
        given = variables(identity.authentication(), proxy.port)
        given["server"] |= {"host": "127.0.0.1", "cryptographicProtocol": "NONE"}
        for _ in range(3):
            await worker.call("email.imap.list", given)
    assert dovecot_with_tokens.log().count("imap-login: Info: Login:") == 1
    assert len(identity.forms) == 1


async def test_who_knows_the_user_name_alone_gets_no_session_of_another(
    worker: EmailWorker, identity: TokenServer, dovecot_with_tokens: Dovecot
) -> None:
    port = dovecot_with_tokens.imaps_port
    bearer = {"type": "bearer", "username": ANN}
    await worker.call("email.imap.list", variables({**bearer, "token": identity.make_token()}, port))
    with pytest.raises(AuthenticationFailed):
        await worker.call("email.imap.list", variables({**bearer, "token": "guessed"}, port))
    await worker.call("email.imap.list", variables(identity.authentication(), port))
    given = variables(identity.authentication(clientSecret="guessed"), port)
    with pytest.raises(TokenRefused):
        await worker.call("email.imap.list", given)


async def test_a_token_that_the_process_has_is_used_as_it_is(
    worker: EmailWorker, identity: TokenServer, tokens_dovecot: Dovecot
) -> None:
    bearer = {"type": "bearer", "username": ANN, "token": identity.make_token()}
    assert await worker.call("email.imap.list", variables(bearer, tokens_dovecot.imaps_port))
    assert await worker.call("email.pop3.list", variables(bearer, tokens_dovecot.pop3s_port))
    assert identity.forms == []


async def test_a_server_that_takes_no_tokens_is_named_before_one_is_shown(
    worker: EmailWorker, identity: TokenServer, dovecot: Dovecot
) -> None:
    for protocol, port in (("imap", dovecot.imaps_port), ("pop3", dovecot.pop3s_port)):
        with pytest.raises(NotSupported, match=r"OAUTHBEARER or XOAUTH2.*PLAIN"):
            await worker.call(f"email.{protocol}.list", variables(identity.authentication(), port))


async def lone_plus(dialogue: Dialogue) -> None:
    await dialogue.send(b"+\r\n")
    tag = dialogue.commands[-1].split()[0]
    await dialogue.read_command()
    await dialogue.say(f"{tag} NO no")


@pytest.mark.parametrize(
    ("task_type", "script"),
    [
        (
            "email.imap.list",
            [*IMAP_BEGIN, expect(r"\S+ AUTHENTICATE XOAUTH2", "{tag} BAD Command Argument Error. 12")],
        ),
        ("email.imap.list", [*IMAP_BEGIN, expect(r"\S+ AUTHENTICATE XOAUTH2"), lone_plus]),
        (
            "email.pop3.list",
            [
                say("+OK ready"),
                expect("CAPA", "+OK", "SASL XOAUTH2", "."),
                expect("AUTH XOAUTH2", "-ERR Protocol error. 10"),
            ],
        ),
    ],
    ids=["BAD", "a lone plus, then NO", "no AUTH"],
)
async def test_however_a_token_is_refused_the_advice_is_that_for_tokens(
    worker: EmailWorker, task_type: str, script: list[Step]
) -> None:
    async with ScriptedServer([*script, hang()]) as server:
        given = variables({"type": "bearer", "username": ANN, "token": "t0ken"}, server.port)
        given["server"]["cryptographicProtocol"] = "NONE"
        with pytest.raises(AuthenticationFailed, match=r"refused the access token .*; check that the token"):
            await worker.call(task_type, given)


async def test_an_endpoint_that_is_away_is_a_temporary_failure(
    worker: EmailWorker, identity: TokenServer, dovecot_with_tokens: Dovecot
) -> None:
    url = identity.url.replace(str(identity.port), "1")
    given = variables(identity.authentication(oauthTokenEndpoint=url), dovecot_with_tokens.imaps_port)
    async with email_worker(EMAIL_WORKER_ALLOWED_TOKEN_ENDPOINTS=url) as other:
        with pytest.raises(TokenEndpointUnavailable) as caught:
            await other.call("email.imap.list", given)
    assert caught.value.is_retryable


@pytest.fixture
def postfix_with_tokens(
    certificates: Certificates, identity: TokenServer, mechanisms: str
) -> Iterator[Postfix]:
    with oauth_options(public_key=identity.public_key, mechanisms=mechanisms) as sasl:
        options = PostfixOptions(account=Account(ANN, "unused"), sasl=sasl)
        with Postfix(certificates.server, options) as server:
            yield server


async def test_a_token_lets_an_email_be_sent(
    worker: EmailWorker, identity: TokenServer, postfix_with_tokens: Postfix
) -> None:
    # As long as those of Microsoft: more than a line may have.
    identity.claims = {"padding": "x" * 2_000}
    given = variables(identity.authentication(), postfix_with_tokens.smtps_port, **MAIL)
    sent = await worker.call("email.smtp.send", given)
    assert sent["sent"]
    assert await postfix_with_tokens.wait_for_mail("bob@example.org")


async def test_a_token_that_is_refused_for_sending_is_told(
    worker: EmailWorker, identity: TokenServer, postfix_with_tokens: Postfix
) -> None:
    identity.claims = {"scope": "mail.send"}
    given = variables(identity.authentication(), postfix_with_tokens.smtps_port, **MAIL)
    with pytest.raises(AuthenticationFailed, match="expired or was revoked, or is for another") as caught:
        await worker.call("email.smtp.send", given)
    assert "535" in caught.value.message
    assert len(identity.tokens) == 2
    assert not any(token in caught.value.message for token in identity.tokens)


async def test_greenmail_takes_a_token_by_all_three_protocols(worker: EmailWorker) -> None:
    # Its token is the password of the account.
    async with MailServer.start([(ANN, "t0ken")], tls=False) as server:
        bearer = {"type": "bearer", "username": ANN, "token": "t0ken"}

        def given(port: int, **parameters: Any) -> dict[str, Any]:
            found = variables(bearer, port, **parameters)
            found["server"]["cryptographicProtocol"] = "NONE"
            return found

        mail = {**MAIL, "to": ANN}
        assert (await worker.call("email.smtp.send", given(server.smtp_port, **mail)))["sent"]
        await server.wait_for(ANN)
        (listed,) = await worker.call("email.imap.list", given(server.imap_port))
        assert listed["subject"] == "Hello"
        bearer["token"] = "guessed"
        with pytest.raises(AuthenticationFailed):
            await worker.call("email.imap.list", given(server.imap_port))
