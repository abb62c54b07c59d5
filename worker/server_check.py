"""What `email-worker check --server` prints: how a mail server can be reached and signed in to."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.markup import escape

from worker.check import open_console, print_good, print_problem
from worker.errors import EmailError, InputError, TlsFailed
from worker.job.binding import bind
from worker.mail.account import Account, MailProtocol, account_of, split_server_pattern
from worker.mail.clients import MailClients
from worker.mail.connection import connect
from worker.mail.tls import build_tls_context
from worker.masking import Mask, excerpt, masking
from worker.models.authentication import AuthenticationType, OptionalAuthentication
from worker.models.base import CryptographicProtocol, Request, Server
from worker.models.mailbox import MailboxRequest
from worker.secret_store import SecretStore
from worker.server_probe import ServerFacts, TlsFacts, probe_server
from worker.settings import Settings, read_environment, without_credentials
from worker.wiring import open_access_tokens, open_mail_clients, open_secrets

_PROTOCOL_OF_PORT = {
    **dict.fromkeys((25, 465, 587, 2525), MailProtocol.SMTP),
    **dict.fromkeys((143, 993), MailProtocol.IMAP),
    **dict.fromkeys((110, 995), MailProtocol.POP3),
}
# At these a server begins in the clear. At all others TLS is tried first: a server without it says so soon.
_CLEAR_PORTS = {25, 587, 2525, 143, 110}
_TOKEN_METHODS = {"OAUTHBEARER", "XOAUTH2"}
_PASSWORD_METHODS = {"PLAIN", "LOGIN", "LOGIN command", "USER command"}
_SHOWN_CHARACTERS = 1_000


class _SmtpSignIn(Request):
    authentication: OptionalAuthentication
    server: Server
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Target:
    """A server as a task names it, what it offers, and what is wrong with it."""

    protocol: MailProtocol
    server: Server
    facts: ServerFacts | None
    problem: str | None


async def check_server(
    server: str, protocol: str | None, variables: Mapping[str, Any] | None, env_file: Path | None
) -> bool:
    """Print the report for `host:port`; return whether nothing needs fixing. Raises InputError.

    `variables`: those of a job, whose `authentication` is tried; without them, the worker's own account is,
    if this is its server.
    """
    environment = read_environment(env_file)
    settings = Settings.from_environment(environment)
    asked = _read_server(server)
    target = await _find_way(_protocol(protocol, asked.port), asked, settings)
    console = open_console()
    for line in _describe(target):
        print_good(console, escape(line))
    if target.problem is not None:
        print_problem(console, target.problem)
    if target.facts is None or target.problem is not None:
        return False
    authentication = _authentication(target, variables, settings)
    if authentication is None:
        print_good(
            console, 'Not signed in: --variables FILE with the variable "authentication" tries that too.'
        )
        return True
    problem = await _sign_in(target, authentication, settings, open_secrets(settings, environment))
    if problem is None:
        print_good(console, "Signed in.")
    else:
        print_problem(console, problem)
    return problem is None


def _read_server(text: str) -> Server:
    try:
        host, port = split_server_pattern(text)
        return Server.model_validate({"host": host, "port": port or 0})
    except ValueError as error:
        found = without_credentials(text)
        raise InputError(
            f"--server must be HOST:PORT, with a port from 1 to 65535; found {found!r}.", field="--server"
        ) from error


def _protocol(given: str | None, port: int | None) -> MailProtocol:
    names = ", ".join(MailProtocol)
    if given is None:
        if port not in _PROTOCOL_OF_PORT:
            raise InputError(f"--protocol is required for port {port}: one of {names}.", field="--protocol")
        return _PROTOCOL_OF_PORT[port]
    try:
        return MailProtocol(given.lower())
    except ValueError:
        raise InputError(f"--protocol must be one of {names}; found {given!r}.", field="--protocol") from None


async def _find_way(protocol: MailProtocol, asked: Server, settings: Settings) -> _Target:
    """Try one encryption after the other, as a task can ask for them."""
    context, worker = build_tls_context(settings.worker.tls_ca_file), settings.worker
    first = CryptographicProtocol.TLS if asked.port in _CLEAR_PORTS else CryptographicProtocol.SSL
    target = None
    for choice in dict.fromkeys((first, CryptographicProtocol.TLS, CryptographicProtocol.NONE)):
        server = asked.model_copy(update={"cryptographic_protocol": choice})
        account = account_of(protocol, server, OptionalAuthentication(type=AuthenticationType.NO_AUTH))
        try:
            (await connect(account, worker.connect_timeout_seconds)).close()
            facts = await probe_server(account, context, worker.greeting_timeout_seconds)
            return _Target(protocol, server, facts, target.problem if target and facts.tls is None else None)
        except TlsFailed as error:
            target = _Target(protocol, server, None, error.message)
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                return await _with_untrusted_certificate(target, account, worker.greeting_timeout_seconds)
        except EmailError as error:
            return target or _Target(protocol, server, None, error.message)
    raise AssertionError("without encryption nothing is left that can fail so")


async def _with_untrusted_certificate(target: _Target, account: Account, seconds: float) -> _Target:
    """Show the certificate too; nothing is sent to such a server but questions."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    facts = await probe_server(account, context, seconds)
    return replace(target, facts=facts)


def _describe(target: _Target) -> list[str]:
    facts, server = target.facts, target.server
    if facts is None:
        return []
    name = f"{target.protocol.upper()} server {server.host}, port {server.port}"
    choice = server.cryptographic_protocol
    task = {"host": server.host, "port": server.port, "cryptographicProtocol": choice}
    return [
        f"The {name}, answers at {facts.address}.",
        *(_describe_tls(facts.tls) if facts.tls else ["The connection is not encrypted."]),
        f"Capabilities: {_listed(facts.capabilities)}.",
        f"Sign-in methods: {_listed(facts.sign_ins)}. {_advice(target.protocol, facts)}",
        f'In the task: "server": {json.dumps(task)}',
    ]


def _describe_tls(tls: TlsFacts) -> list[str]:
    until = f"{tls.valid_until:%Y-%m-%d}"
    return [
        f"Encrypted by {tls.version} ({tls.cipher}).",
        f"Certificate for {_listed(tls.names)}, valid until {until}, issued by {_listed((tls.issuer,))}.",
    ]


def _listed(names: tuple[str, ...]) -> str:
    return excerpt(", ".join(names), _SHOWN_CHARACTERS) or "none"


def _advice(protocol: MailProtocol, facts: ServerFacts) -> str:
    methods = {name if name in _PASSWORD_METHODS else name.upper() for name in facts.sign_ins}
    takes_tokens, takes_passwords = methods & _TOKEN_METHODS, methods & _PASSWORD_METHODS
    if takes_tokens and takes_passwords:
        return "User name and password, or an access token (OAuth 2.0)."
    if takes_tokens:
        return "Access tokens alone: choose one of the OAuth 2.0 types."
    if takes_passwords:
        return "User name and password; no access tokens."
    if protocol is MailProtocol.SMTP and not methods:
        return 'The server asks nobody to sign in here: authentication.type "noAuth".'
    return "None that the worker can use here; look for another port."


def _authentication(
    target: _Target, variables: Mapping[str, Any] | None, settings: Settings
) -> Mapping[str, Any] | None:
    if variables is not None:
        given: Mapping[str, Any] | None = variables.get("authentication")
        return given
    defaults = settings.defaults[target.protocol.value].variables()
    if not defaults:
        return None
    own = Server.model_validate(defaults["server"])
    nobody = OptionalAuthentication(type=AuthenticationType.NO_AUTH)
    is_own = account_of(target.protocol, own, nobody) == account_of(target.protocol, target.server, nobody)
    return defaults.get("authentication") if is_own else None


async def _sign_in(
    target: _Target, authentication: Mapping[str, Any], settings: Settings, secrets: SecretStore
) -> str | None:
    """Sign in as a job does, and return what went wrong."""
    mask = Mask(shared=secrets.mask)
    clients, tokens = open_mail_clients(settings.worker), open_access_tokens(settings.worker)
    server = target.server.model_dump(mode="json", by_alias=True)
    model: type[_SmtpSignIn | MailboxRequest[Any]] = MailboxRequest[Any]
    if target.protocol is MailProtocol.SMTP:
        model = _SmtpSignIn
    try:
        with masking(mask):
            request = bind(
                model,
                {"authentication": authentication, "server": server},
                secrets=secrets,
                mask=mask,
                secret_fields=settings.worker.secret_fields,
            )
            account = account_of(target.protocol, target.server, request.authentication)
            clients.policy.admit(account)
            await tokens.sign_in(account, lambda signed_in: _open_session(clients, signed_in))
    except EmailError as error:
        return mask.hide(error.message)
    finally:
        await tokens.close()
        await clients.close()
    return None


async def _open_session(clients: MailClients, account: Account) -> None:
    if account.protocol is MailProtocol.SMTP:
        await clients.smtp.run(account, lambda _: asyncio.sleep(0))
    elif account.protocol is MailProtocol.IMAP:
        await clients.imap.run(account, lambda _: None)
    else:
        async with clients.pop3.visit(account):
            pass
