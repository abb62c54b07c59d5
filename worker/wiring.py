"""Builds the clients for gateway, mail servers and documents from the settings."""

from __future__ import annotations

import ssl
from functools import partial
from pathlib import Path

from worker.documents.access_token import AccessToken, ClientCredentials
from worker.documents.client import DocumentClient
from worker.documents.http_client import HttpClient, HttpTimeouts
from worker.documents.store import DocumentStore
from worker.documents.urls import UrlPattern, UrlPolicy
from worker.errors import InputError
from worker.job.gateway import GatewayAddress, OAuthClient, ZeebeGateway
from worker.job.pipeline import JobRules
from worker.mail.account import ServerPolicy
from worker.mail.clients import MailClients
from worker.mail.imap.limits import ImapLimits
from worker.mail.imap.mailboxes import ImapMailboxes
from worker.mail.pool import Pool, PoolLimits
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.maildrops import Maildrops
from worker.mail.smtp.opening import SmtpSettings, open_smtp_session
from worker.mail.timeouts import Timeouts
from worker.mail.tls import build_tls_context
from worker.settings import GatewaySettings, Settings, WorkerSettings

# The name of the variable travels with the result, and counts.
_NAMING_BYTES = 200


def open_gateway(settings: Settings) -> ZeebeGateway:
    """Return the gateway client; it connects at the first command."""
    gateway = settings.gateway
    address = GatewayAddress(
        target=gateway.target,
        is_encrypted=gateway.is_encrypted,
        ca_file=gateway.ca_certificate_path,
        sign_in=_oauth_client(gateway),
    )
    return ZeebeGateway(address, worker_name=settings.worker.name, tenant_ids=gateway.tenant_ids)


def _oauth_client(gateway: GatewaySettings) -> OAuthClient | None:
    if gateway.client_id is None or gateway.client_secret is None:
        return None
    return OAuthClient(
        client_id=gateway.client_id,
        client_secret=gateway.client_secret.get_secret_value(),
        authorization_server_url=gateway.authorization_server_url,
        audience=gateway.token_audience,
        cluster_id=None if gateway.address else gateway.cluster_id,
        cluster_region=gateway.cluster_region,
    )


def job_rules(settings: Settings) -> JobRules:
    """Return what the operator set for all jobs."""
    worker = settings.worker
    return JobRules(
        job_timeout_seconds=worker.job_timeout_seconds,
        retry_backoff_seconds=worker.retry_backoff_seconds,
        max_result_bytes=worker.max_result_bytes,
        max_jobs=worker.max_jobs,
        max_jobs_per_server=worker.max_jobs_per_server,
        secret_fields=worker.secret_fields,
        cluster_name=worker.cluster_name or settings.gateway.target,
    )


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
        max_hold_seconds=worker.pop3_hold_seconds,
        max_message_bytes=worker.max_message_bytes,
    )
    return MailClients(
        smtp=Pool(partial(open_smtp_session, settings=SmtpSettings(tls_context, timeouts)), pool_limits),
        imap=ImapMailboxes(tls_context, timeouts, imap_limits, pool_limits),
        pop3=Maildrops(tls_context, timeouts, pop3_limits),
        policy=ServerPolicy(worker.allowed_servers),
        max_result_bytes=worker.max_result_bytes - _NAMING_BYTES,
    )


def open_document_client(settings: Settings) -> DocumentClient:
    """Return the client for documents; it connects when needed. Raises InputError."""
    worker, gateway = settings.worker, settings.gateway
    timeouts = HttpTimeouts(
        connect_seconds=worker.connect_timeout_seconds,
        read_seconds=worker.command_timeout_seconds,
        total_seconds=worker.transfer_timeout_seconds,
    )
    http = HttpClient(_tls_context("ZEEBE_CA_CERTIFICATE_PATH", gateway.ca_certificate_path), timeouts)
    store = None
    if gateway.rest_address is not None:
        store = DocumentStore(http, gateway.rest_address, _access_token(http, gateway))
    patterns = tuple(UrlPattern.parse(text) for text in worker.allowed_document_urls)
    return DocumentClient(http, store, UrlPolicy(patterns), worker.max_attachment_bytes)


def _access_token(http: HttpClient, gateway: GatewaySettings) -> AccessToken | None:
    if gateway.client_id is None or gateway.client_secret is None:
        return None
    credentials = ClientCredentials(
        client_id=gateway.client_id,
        client_secret=gateway.client_secret.get_secret_value(),
        authorization_server_url=gateway.authorization_server_url,
        audience=gateway.token_audience,
    )
    return AccessToken(http, credentials)


def _tls_context(variable: str, ca_file: Path | None) -> ssl.SSLContext:
    try:
        return build_tls_context(ca_file)
    except OSError as error:
        raise InputError(
            f"{variable}: {ca_file} has no certificate that can be read ({error}).", field=variable
        ) from error
