"""Builds the clients for gateway, mail servers and documents from the settings."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from worker.documents.client import DocumentClient
from worker.documents.http_client import DOCUMENT_FAILURES, HttpClient, HttpFailures, HttpTimeouts
from worker.documents.sign_in import BasicSignIn, SignIn
from worker.documents.store import DocumentStore
from worker.documents.urls import UrlPattern, UrlPolicy
from worker.errors import InputError
from worker.job.gateway import ZeebeGateway
from worker.mail.account import ServerPolicy
from worker.mail.clients import MailClients
from worker.mail.imap.limits import ImapLimits
from worker.mail.imap.mailboxes import ImapMailboxes
from worker.mail.pool import Pool, PoolLimits
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.mailboxes import Pop3Mailboxes
from worker.mail.smtp.opening import open_smtp_session
from worker.mail.timeouts import Timeouts
from worker.mail.tls import build_tls_context, ca_file_problem
from worker.masking import Mask
from worker.models.authentication import AuthenticationType, TokenCredentials, secret_text
from worker.oauth.access_tokens import TOKEN_FAILURES, AccessTokens, endpoint_not_allowed
from worker.oauth.cluster_token import ClusterToken
from worker.rest_api import RestApi
from worker.secret_store import SecretStore
from worker.settings import GatewaySettings, Settings, SignInStrategy, WorkerSettings, is_this_machine

# The name of the variable travels with the result, and counts.
_NAMING_BYTES = 200
# Of Camunda on this machine, and of the sandbox.
_USUAL_REST_ADDRESS = "http://localhost:8080"
_HOST_NAME = re.compile(r"[A-Za-z0-9.-]+")


def open_secrets(settings: Settings, environment: Mapping[str, str]) -> SecretStore:
    """Return the secrets of the environment and the directory."""
    worker = settings.worker
    return SecretStore(environment, prefix=worker.secret_prefix, directory=worker.secrets_dir)


def open_gateway(settings: Settings, sign_in: SignIn | None = None) -> ZeebeGateway:
    """Open the gateway as the settings say; connects at the first command. Raises InputError.

    `sign_in`: one that is shared, as it fetches tokens; default: the gateway's own.
    """
    if settings.gateway.is_encrypted:
        _cluster_tls_context(settings.gateway)  # says what is wrong with a file
    return ZeebeGateway(settings, sign_in or open_sign_in(settings, Mask()))


def open_sign_in(settings: Settings, mask: Mask) -> SignIn | None:
    """Return how to sign in to the cluster; connects when it is needed. Raises InputError.

    `mask` learns the credentials.
    """
    gateway = settings.gateway
    if gateway.strategy is SignInStrategy.BASIC:
        return BasicSignIn(gateway.basic_username or "", secret_text(gateway.basic_password), mask)
    if gateway.strategy is SignInStrategy.NONE:
        return None
    credentials = TokenCredentials(
        AuthenticationType.CLIENT_CREDENTIALS,
        username="",
        endpoint=gateway.authorization_server_url,
        client_id=gateway.client_id or "",
        client_secret=secret_text(gateway.client_secret),
        audience=gateway.token_audience,
        scopes=gateway.token_scope or "",
    )
    http = _cluster_client(settings, gateway.authorization_server_url, TOKEN_FAILURES)
    return ClusterToken(AccessTokens(http, UrlPolicy(None)), credentials, mask)


def open_mail_clients(worker: WorkerSettings) -> MailClients:
    """Return the clients for mail servers; they connect when needed. Raises InputError."""
    tls_context = _tls_context("EMAIL_WORKER_TLS_CA_FILE", worker.tls_ca_file)
    timeouts = Timeouts(
        connect_seconds=worker.connect_timeout_seconds,
        tls_seconds=worker.tls_timeout_seconds,
        greeting_seconds=worker.greeting_timeout_seconds,
        login_seconds=worker.login_timeout_seconds,
        command_seconds=worker.command_timeout_seconds,
        transfer_seconds=worker.transfer_timeout_seconds,
    )
    pool_limits = PoolLimits(
        max_sessions=worker.max_sessions,
        max_sessions_per_account=worker.max_sessions_per_account,
        max_idle_seconds=worker.max_idle_seconds,
    )
    imap_limits = ImapLimits(
        max_message_bytes=worker.max_message_bytes, max_remembered_bytes=worker.max_remembered_bytes
    )
    pop3_limits = Pop3Limits(
        max_sessions=worker.max_sessions,
        max_remembered_bytes=worker.max_remembered_bytes,
        max_lock_seconds=worker.pop3_hold_seconds,
        max_message_bytes=worker.max_message_bytes,
    )
    open_smtp = partial(
        open_smtp_session,
        tls_context=tls_context,
        timeouts=timeouts,
        helo_name=worker.smtp_helo_name or _full_name(),
    )
    return MailClients(
        smtp=Pool(open_smtp, pool_limits),
        imap=ImapMailboxes(tls_context, timeouts, imap_limits, pool_limits),
        pop3=Pop3Mailboxes(tls_context, timeouts, pop3_limits),
        policy=ServerPolicy(worker.allowed_servers),
        max_result_bytes=worker.max_result_bytes - _NAMING_BYTES,
    )


def _full_name() -> str | None:
    """Return the machine's name if it is a full one; DNS is not asked, because that may take long."""
    name = socket.gethostname()
    is_full = "." in name and not name.startswith("localhost.") and _HOST_NAME.fullmatch(name)
    return name if is_full else None


def open_document_client(settings: Settings, sign_in: SignIn | None) -> DocumentClient:
    """Return the way to documents; it connects when it is needed. Raises InputError."""
    worker, gateway = settings.worker, settings.gateway
    http = HttpClient(
        _tls_context("ZEEBE_CA_CERTIFICATE_PATH", gateway.ca_certificate_path), _http_timeouts(worker)
    )
    store = None
    if gateway.rest_address is not None:
        client = _cluster_client(settings, gateway.rest_address)
        store = DocumentStore(client, gateway.rest_address, sign_in)
    patterns = tuple(UrlPattern.parse(text) for text in worker.allowed_document_urls)
    return DocumentClient(http, store, UrlPolicy(patterns), worker.max_attachment_bytes)


def open_access_tokens(worker: WorkerSettings) -> AccessTokens:
    """Return the access tokens for mail servers, which are fetched when needed. Raises InputError."""
    timeouts = HttpTimeouts(
        connect_seconds=worker.connect_timeout_seconds,
        read_seconds=worker.login_timeout_seconds,
        total_seconds=worker.login_timeout_seconds,
    )
    tls_context = _tls_context("EMAIL_WORKER_TLS_CA_FILE", worker.tls_ca_file)
    http = HttpClient(tls_context, timeouts, TOKEN_FAILURES, uses_proxy=True)
    patterns = tuple(UrlPattern.parse(text) for text in worker.allowed_token_endpoints)
    return AccessTokens(http, UrlPolicy(patterns, endpoint_not_allowed))


def open_rest_api(settings: Settings, sign_in: SignIn | None) -> RestApi | None:
    """Return the cluster's REST API; the gateway localhost:26500 goes with http://localhost:8080."""
    gateway = settings.gateway
    address = gateway.rest_address
    if address is None and is_this_machine(gateway.target) and gateway.target.endswith(":26500"):
        address = _USUAL_REST_ADDRESS
    if address is None:
        return None
    return RestApi(_cluster_client(settings, address), address, sign_in)


def _cluster_client(settings: Settings, url: str, failures: HttpFailures = DOCUMENT_FAILURES) -> HttpClient:
    """Return a client for the REST API or the token endpoint at `url`."""
    tls_context, timeouts = _cluster_tls_context(settings.gateway), _http_timeouts(settings.worker)
    return HttpClient(tls_context, timeouts, failures, uses_proxy=not is_this_machine(url))


def _http_timeouts(worker: WorkerSettings) -> HttpTimeouts:
    return HttpTimeouts(
        connect_seconds=worker.connect_timeout_seconds,
        read_seconds=worker.command_timeout_seconds,
        total_seconds=worker.transfer_timeout_seconds,
    )


def _cluster_tls_context(gateway: GatewaySettings) -> ssl.SSLContext:
    context = _tls_context("ZEEBE_CA_CERTIFICATE_PATH", gateway.ca_certificate_path)
    certificate, key = gateway.client_certificate_path, gateway.client_key_path
    if certificate is not None and key is not None:
        try:
            # Without a password, OpenSSL would ask for one at the terminal.
            context.load_cert_chain(certificate, key, password="")
        except OSError as error:
            raise InputError(
                f"CAMUNDA_MTLS_CERT_PATH: {certificate} and {key} must be a certificate and its key in PEM,"
                f" without a passphrase ({error.strerror or error}).",
                field="CAMUNDA_MTLS_CERT_PATH",
            ) from error
    return context


def _tls_context(variable: str, ca_file: Path | None) -> ssl.SSLContext:
    try:
        return build_tls_context(ca_file)
    except OSError as error:
        raise InputError(f"{variable}: {ca_file_problem(ca_file, error)}.", field=variable) from error
