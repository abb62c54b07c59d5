"""What stands in for providers of access tokens and their mail servers, in examples of the documentation."""

from __future__ import annotations

import copy
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from testkit.accounts import Account
from testkit.client_keys import certificate_of, pem_of, public_pem
from testkit.dovecot import Dovecot
from testkit.dovecot_oauth import oauth_options
from testkit.postfix import Postfix, PostfixOptions
from testkit.token_server import CLIENT_SECRET, TokenServer, signing_key
from worker.documents.urls import UrlPattern, UrlPolicy
from worker.mail.account import MailProtocol, account_of
from worker.models.authentication import Authentication
from worker.models.base import Server
from worker.operations.catalogue import BY_TASK_TYPE
from worker.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testkit.certificates import Certificates

_MAIL = b"Subject: Hello\r\n\r\nHello\r\n"


@asynccontextmanager
async def token_example(
    documented: dict[str, Any], task_type: str, certificates: Certificates
) -> AsyncIterator[tuple[dict[str, Any], dict[str, str], tuple[str, str]]]:
    """Yield the variables for servers of the tests, the environment, and both names of the mail server.

    A worker as shipped must allow the documented token endpoint.
    """
    variables = copy.deepcopy(documented)
    given, user = variables["authentication"], documented["authentication"]["username"]
    protocol = BY_TASK_TYPE[task_type].protocol
    async with AsyncExitStack() as stack:
        identity = await stack.enter_async_context(TokenServer(user))
        identity.assertion_key = public_pem(signing_key())
        values = {
            "clientSecret": CLIENT_SECRET,
            "refreshToken": "refresh-0",
            "privateKey": _key(given, identity),
        }
        secrets = {_secret_name(given[name]): value for name, value in values.items() if name in given}
        resolved = given | {name: value for name, value in values.items() if name in given}
        meant = account_of(
            protocol, Server.model_validate(documented["server"]), Authentication.model_validate(resolved)
        )
        if meant.token_credentials and meant.token_credentials.endpoint:
            _check_allowed(meant.token_credentials.endpoint)
            given.pop("tenantId", None)
            given["oauthTokenEndpoint"] = identity.url
        sasl = stack.enter_context(oauth_options(public_key=identity.public_key))
        if protocol is MailProtocol.SMTP:
            options = PostfixOptions(account=Account(user, "unused"), sasl=sasl)
            port = stack.enter_context(Postfix(certificates.server, options)).smtp_port
        else:
            dovecot = stack.enter_context(Dovecot(certificates.server, sasl))
            dovecot.add_user(user, "unused")
            dovecot.deliver(user, _MAIL)
            port = dovecot.imaps_port if protocol is MailProtocol.IMAP else dovecot.pop3s_port
        variables["server"] |= {"host": "127.0.0.1", "port": port}
        environment = {
            **secrets,
            "EMAIL_WORKER_ALLOWED_TOKEN_ENDPOINTS": identity.url,
            "EMAIL_WORKER_TLS_CA_FILE": str(certificates.ca_file),
        }
        yield variables, environment, (f"127.0.0.1:{port}", meant.server)


def _key(given: dict[str, Any], identity: TokenServer) -> str:
    """A key as Entra ID wants it, with a certificate, or as Google gives it."""
    key = pem_of(signing_key())
    if "clientId" in given:
        return key + certificate_of(signing_key())
    account = {"client_email": "worker@example.com", "private_key": key, "token_uri": identity.url}
    return json.dumps(account)


def _secret_name(text: str) -> str:
    name = text.removeprefix("{{secrets.").removesuffix("}}")
    assert text == "{{secrets." + name + "}}", "an example shows a secret"
    return f"SECRET_{name}"


def _check_allowed(endpoint: str) -> None:
    shipped = Settings.from_environment({"ZEEBE_ADDRESS": "localhost:26500"}).worker.allowed_token_endpoints
    UrlPolicy(tuple(map(UrlPattern.parse, shipped))).admit(endpoint)
