"""What a mail server says about itself before anybody signs in."""

from __future__ import annotations

import asyncio
import imaplib
import poplib
import smtplib
import ssl
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from socket import socket
from typing import TypeVar

from cryptography import x509

from worker.errors import MailServerError, ProtocolViolation, ServerTimeout, TlsFailed
from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.threads import start_thread
from worker.mail.tls import tls_failure

C = TypeVar("C", imaplib.IMAP4, poplib.POP3, smtplib.SMTP)


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """The encryption of a connection, and the server's certificate."""

    version: str
    cipher: str
    names: tuple[str, ...]
    issuer: str
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server at `address` offers. `tls`: None for a connection that is not encrypted."""

    address: str
    tls: TlsFacts | None
    capabilities: tuple[str, ...]
    sign_ins: tuple[str, ...]


async def probe_server(account: Account, context: ssl.SSLContext, seconds: float) -> ServerFacts:
    """Connect as the account says, and ask. `seconds`: for each answer; twice that for all of them.

    Raises MailServerError.
    """
    ask = {MailProtocol.IMAP: _ask_imap, MailProtocol.POP3: _ask_pop3, MailProtocol.SMTP: _ask_smtp}

    def step() -> ServerFacts:
        with _failures(account.server):
            return ask[account.protocol](account, context, seconds)

    try:
        # The libraries limit each line, but not how many there are. The thread ends with the command.
        async with asyncio.timeout(2 * seconds):
            return await asyncio.shield(start_thread(step))
    except TimeoutError as error:
        text = f"{account.server} did not answer all questions within {2 * seconds:g} seconds."
        raise ServerTimeout(text, server=account.server) from error


def _ask_imap(account: Account, context: ssl.SSLContext, seconds: float) -> ServerFacts:
    client = _open(account, seconds, imaplib.IMAP4, partial(imaplib.IMAP4_SSL, ssl_context=context))
    try:
        if account.encryption is Encryption.STARTTLS:
            _check_offer("STARTTLS", client.capabilities, account.server)
            client.starttls(context)
        capabilities = tuple(client.capabilities)
        sign_ins = [name.removeprefix("AUTH=") for name in capabilities if name.startswith("AUTH=")]
        if "LOGINDISABLED" not in capabilities:
            sign_ins.append("LOGIN command")
        return _facts(client.sock, capabilities, sign_ins)
    finally:
        client.shutdown()


def _ask_pop3(account: Account, context: ssl.SSLContext, seconds: float) -> ServerFacts:
    client = _open(account, seconds, poplib.POP3, partial(poplib.POP3_SSL, context=context))
    try:
        if account.encryption is Encryption.STARTTLS:
            _check_offer("STLS", client.capa(), account.server)
            client.stls(context)
        offered = client.capa()
        sign_ins = [*offered.get("SASL", ()), *(["USER command"] if "USER" in offered else [])]
        capabilities = tuple(" ".join((name, *values)) for name, values in offered.items())
        return _facts(client.sock, capabilities, sign_ins)
    finally:
        client.close()


def _ask_smtp(account: Account, context: ssl.SSLContext, seconds: float) -> ServerFacts:
    client = _open(account, seconds, smtplib.SMTP, partial(smtplib.SMTP_SSL, context=context))
    try:
        client.ehlo_or_helo_if_needed()
        if account.encryption is Encryption.STARTTLS:
            _check_offer("STARTTLS", {name.upper() for name in client.esmtp_features}, account.server)
            client.starttls(context=context)
            client.ehlo()
        features = client.esmtp_features
        capabilities = tuple(f"{name.upper()} {value}".strip() for name, value in features.items())
        return _facts(client.sock, capabilities, features.get("auth", "").split())
    finally:
        client.close()


def _open(account: Account, seconds: float, plain: Callable[..., C], encrypted: Callable[..., C]) -> C:
    client = encrypted if account.encryption is Encryption.IMPLICIT else plain
    return client(account.host, account.port, timeout=seconds)


def _check_offer(command: str, offered: Container[str], server: str) -> None:
    if command not in offered:
        raise TlsFailed(
            f"{server} does not offer {command}; check the port. If the server has no TLS at all, only"
            ' cryptographicProtocol "NONE" is left: everybody on the way can read password and email.',
            server=server,
        )


def _facts(connection: socket | None, capabilities: tuple[str, ...], sign_ins: list[str]) -> ServerFacts:
    if connection is None:
        raise ConnectionResetError
    address = str(connection.getpeername()[0])
    tls = _tls_facts(connection) if isinstance(connection, ssl.SSLSocket) else None
    return ServerFacts(address, tls, capabilities, tuple(dict.fromkeys(sign_ins)))


def _tls_facts(connection: ssl.SSLSocket) -> TlsFacts:
    certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = tuple(str(name.value) for name in alternatives.value)
    except x509.ExtensionNotFound:
        names = (certificate.subject.rfc4514_string(),)
    cipher = connection.cipher()
    return TlsFacts(
        version=connection.version() or "",
        cipher=cipher[0] if cipher else "",
        names=names,
        issuer=certificate.issuer.rfc4514_string(),
        valid_until=certificate.not_valid_after_utc,
    )


@contextmanager
def _failures(server: str) -> Iterator[None]:
    """Turn what the libraries raise into one sentence."""
    try:
        yield
    except MailServerError:
        raise
    except ssl.SSLError as error:
        raise tls_failure(server, error) from error
    except TimeoutError as error:
        raise ServerTimeout(
            f"{server} did not answer in time; check the port: a server that begins with TLS says nothing"
            " before it.",
            server=server,
        ) from error
    except (imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPException, OSError, ValueError) as error:
        raise ProtocolViolation(
            f"{server} does not speak as expected ({type(error).__name__}); check the port and --protocol.",
            server=server,
        ) from error
