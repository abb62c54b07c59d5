"""Which mail server, under which name: the key of a warm session."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import SecretStr

from worker.errors import ServerNotAllowed
from worker.models.authentication import AuthenticationType, OptionalAuthentication, TokenCredentials
from worker.models.base import CryptographicProtocol, Server, one_spelling


class MailProtocol(StrEnum):
    """The three protocols that the worker speaks."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"


class Encryption(StrEnum):
    """How a connection becomes encrypted: not, by a command that must succeed, or from the first byte."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


# RFC 8314: implicit TLS has a separate port; the clear-text ports upgrade by STARTTLS (STLS for POP3).
_IMPLICIT_PORT = {MailProtocol.SMTP: 465, MailProtocol.IMAP: 993, MailProtocol.POP3: 995}
_CLEAR_PORT = {MailProtocol.SMTP: 25, MailProtocol.IMAP: 143, MailProtocol.POP3: 110}
_SUBMISSION_PORT = 587


@dataclass(frozen=True, slots=True)
class Account:
    """A server, the encryption of the way to it, and the sign-in there.

    `password`: the access token if a task gives that, so that nobody gets a session of another by the user
    name alone. `token_credentials`: what access tokens are fetched with. `token`: the one to sign in with;
    no part of the account, as a new token needs no new session.
    """

    protocol: MailProtocol
    host: str
    port: int
    encryption: Encryption
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token_credentials: TokenCredentials | None = None
    token: str | None = field(default=None, repr=False, compare=False)

    @property
    def is_without_token(self) -> bool:
        """Whether an access token has to be fetched first."""
        return self.token_credentials is not None and self.token is None

    @property
    def server(self) -> str:
        """The server as people write it: `host:port`, IPv6 literals in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def way(self) -> str:
        """The server and the encryption: plain text at a port for TLS gets no answer."""
        return f"{self.server} {self.encryption}"


def account_of(protocol: MailProtocol, server: Server, authentication: OptionalAuthentication) -> Account:
    """Fill in what the request leaves to the protocol: port and kind of encryption."""
    port, encryption = _port_and_encryption(protocol, server)
    has_user = authentication.type is not AuthenticationType.NO_AUTH
    is_simple = authentication.type is AuthenticationType.SIMPLE
    token = _text(authentication.token)
    return Account(
        protocol=protocol,
        host=server.host,
        port=port,
        encryption=encryption,
        username=_text(authentication.username) if has_user else None,
        password=_text(authentication.password) if is_simple else token,
        token_credentials=authentication.token_credentials(),
        token=token,
    )


def _text(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None


def _port_and_encryption(protocol: MailProtocol, server: Server) -> tuple[int, Encryption]:
    implicit, clear = _IMPLICIT_PORT[protocol], _CLEAR_PORT[protocol]
    if server.cryptographic_protocol is CryptographicProtocol.NONE:
        return server.port or clear, Encryption.NONE
    if server.cryptographic_protocol is CryptographicProtocol.SSL:
        return server.port or implicit, Encryption.IMPLICIT
    if protocol is MailProtocol.SMTP:
        port = server.port or _SUBMISSION_PORT
        return port, Encryption.IMPLICIT if port == implicit else Encryption.STARTTLS
    # The vendor's TLS means "from the first byte" here; only the clear-text port needs STARTTLS.
    port = server.port or implicit
    return port, Encryption.STARTTLS if port == clear else Encryption.IMPLICIT


@dataclass(frozen=True, slots=True)
class ServerPolicy:
    """Which mail servers may be used: `host` or `host:port` with `*` and `?`; no pattern means any."""

    patterns: tuple[str, ...] = ()

    def admit(self, account: Account) -> None:
        """Raise ServerNotAllowed unless a pattern matches the account's server."""
        if not self.patterns or any(_matches(pattern, account) for pattern in self.patterns):
            return
        raise ServerNotAllowed(
            f"The mail server {account.server} is not among those that EMAIL_WORKER_ALLOWED_SERVERS allows;"
            " ask the operator of the worker to add it.",
            server=account.server,
        )


def _matches(pattern: str, account: Account) -> bool:
    host, port = split_server_pattern(pattern)
    return fnmatch.fnmatchcase(account.host, one_spelling(host)) and port in (None, account.port)


def split_server_pattern(pattern: str) -> tuple[str, int | None]:
    """Split `host`, `host:port` or `[ipv6]:port` into host pattern and port; ValueError for anything else."""
    if not pattern.isprintable() or set(" /@") & set(pattern):
        raise ValueError("no pattern of a server")
    if pattern.startswith("["):
        host, _, rest = pattern[1:].partition("]")
        return host, int(rest.removeprefix(":")) if rest else None
    host, colon, port = pattern.rpartition(":")
    if not colon or ":" in host:
        return pattern, None
    return host, None if port == "*" else int(port)
