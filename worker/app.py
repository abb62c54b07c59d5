"""The only place that builds the rooms and joins them."""

from __future__ import annotations

import asyncio
import difflib
import ssl
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from worker.documents.access_token import AccessToken, ClientCredentials
from worker.documents.http_client import HttpClient, HttpTimeouts
from worker.documents.room import DocumentRoom
from worker.documents.store import DocumentStore
from worker.documents.urls import UrlPattern, UrlPolicy
from worker.errors import EmailError, InputError
from worker.job import vendor
from worker.job.assignment import Assignment, Interpret
from worker.job.binding import GROUPS, bind
from worker.job.decision import to_json
from worker.job.gateway import GatewayAddress, OAuthClient, Subscription, ZeebeGateway
from worker.job.pipeline import Errands, JobRules, Pipeline
from worker.job.runtime import Runtime, Served
from worker.mail.account import Account, ServerPolicy, account_of
from worker.mail.answer import Answer
from worker.mail.imap_limits import ImapLimits
from worker.mail.imap_mailboxes import ImapMailboxes
from worker.mail.maildrops import Maildrops
from worker.mail.pool import Pool, PoolLimits
from worker.mail.pop3_limits import Pop3Limits
from worker.mail.room import MailRoom
from worker.mail.smtp_session import SmtpSettings, open_smtp_session
from worker.mail.timeouts import Timeouts
from worker.mail.tls import build_tls_context
from worker.observation import Observation
from worker.operations.catalogue import BY_TASK_TYPE, Operation
from worker.operations.errand import Errand
from worker.secret_store import SecretStore
from worker.settings import GatewaySettings, Settings, WorkerSettings, read_environment

log = structlog.get_logger(__name__)


class EmailWorker:
    """The operations in one object: `call` does one, `serve` does those that the engine asks for.

    Use it as an async context manager: sessions with mail servers are kept between calls and closed at
    the end.
    """

    def __init__(self, settings: Settings, secrets: SecretStore) -> None:
        self._settings = settings
        self._secrets = secrets
        self._room: MailRoom | None = None
        self._documents = DocumentRoom()

    @classmethod
    def from_environment(cls, env_file: Path | None = None) -> Self:
        """Read settings and secrets from the environment and an env file; raises InputError."""
        environment = read_environment(env_file)
        settings = Settings.from_environment(environment)
        secrets = SecretStore(
            environment,
            prefix=settings.worker.secret_prefix,
            directory=settings.worker.secrets_dir,
        )
        return cls(settings, secrets)

    @property
    def settings(self) -> Settings:
        """What this worker was started with."""
        return self._settings

    @property
    def secrets(self) -> SecretStore:
        """The worker's secrets, and the mask that hides them."""
        return self._secrets

    async def __aenter__(self) -> Self:
        self._room = _open_mail_room(self._settings.worker)
        self._documents = _open_document_room(self._settings)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._room is not None:
            await self._documents.close()
            await self._room.close()
            self._room = None

    async def call(self, task_type: str, variables: Mapping[str, Any]) -> Any:
        """Do one operation with the variables that a job would carry; return its result as JSON values.

        Raises EmailError; no secret is in its text.
        """
        try:
            assignment = self._interpreter(task_type)(variables)
            operation = assignment.operation
            request = bind(
                operation.request,
                assignment.variables,
                secrets=self._secrets,
                secret_fields=self._settings.worker.secret_fields,
                notation=assignment.notation,
            )
            account = self._account(operation, request)
            answer = await self._perform(operation, request, account, str(uuid.uuid4()), datetime.now(UTC))
            result = assignment.reshape(to_json(answer.result, self._secrets.mask))
            if answer.deferred is not None:
                await answer.deferred.commit()
        except EmailError as error:
            mask = self._secrets.mask
            raise type(error)(mask.hide(error.message), **mask.hide_in(error.details)) from None
        return result

    async def serve(self, stop: asyncio.Event) -> None:
        """Take jobs from the engine until `stop` is set, then end them within the grace."""
        worker = self._settings.worker
        gateway = open_gateway(self._settings)
        observation = Observation(self._settings, BY_TASK_TYPE)
        pipeline = Pipeline(
            gateway,
            Errands(self._account, self._perform),
            self._secrets,
            _job_rules(self._settings),
            observation.observers,
        )
        task_types = [*BY_TASK_TYPE, *([vendor.TASK_TYPE] if worker.vendor_task_type else [])]
        served = [Served(self._interpreter(name), self._subscription(name)) for name in task_types]
        runtime = Runtime(gateway, pipeline, served, max_jobs=worker.max_jobs)
        try:
            async with observation.of(runtime, gateway, self._open_room):
                log.info("worker_started", gateway=self._settings.gateway.target, task_types=task_types)
                await runtime.run(stop, grace_seconds=worker.shutdown_grace_seconds)
        finally:
            await gateway.close()
        log.info("worker_stopped")

    def _interpreter(self, task_type: str) -> Interpret:
        if task_type == vendor.TASK_TYPE:
            return partial(
                vendor.interpret,
                operations=BY_TASK_TYPE,
                stores_attachments=self._settings.gateway.rest_address is not None,
            )
        return partial(Assignment, _operation(task_type))

    def _subscription(self, task_type: str) -> Subscription:
        worker = self._settings.worker
        return Subscription(
            task_type,
            variables=vendor.GROUPS if task_type == vendor.TASK_TYPE else GROUPS,
            job_timeout_seconds=worker.job_timeout_seconds,
            poll_seconds=worker.poll_timeout_seconds,
        )

    def _account(self, operation: Any, request: Any) -> Account:
        account = account_of(operation.protocol, request.server, request.authentication)
        self._open_room.policy.admit(account)
        return account

    async def _perform(
        self, operation: Any, request: Any, account: Account, reference: str, started_at: datetime
    ) -> Answer:
        answer: Answer = await operation.handler(
            request, Errand(account, self._open_room, reference, started_at, self._documents)
        )
        return answer

    @property
    def _open_room(self) -> MailRoom:
        if self._room is None:
            raise RuntimeError("EmailWorker is used within `async with`")
        return self._room


def open_gateway(settings: Settings) -> ZeebeGateway:
    """Open the way to the engine as the settings say; connects at the first command."""
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


def _job_rules(settings: Settings) -> JobRules:
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


def _open_mail_room(worker: WorkerSettings) -> MailRoom:
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
        max_message_bytes=worker.max_message_bytes, max_sort_key_bytes=worker.max_remembered_bytes
    )
    pop3_limits = Pop3Limits(
        max_sessions=worker.max_sessions,
        max_remembered_bytes=worker.max_remembered_bytes,
        max_hold_seconds=worker.pop3_hold_seconds,
        max_message_bytes=worker.max_message_bytes,
    )
    return MailRoom(
        smtp=Pool(partial(open_smtp_session, settings=SmtpSettings(tls_context, timeouts)), pool_limits),
        imap=ImapMailboxes(tls_context, timeouts, imap_limits, pool_limits),
        pop3=Maildrops(tls_context, timeouts, pop3_limits),
        policy=ServerPolicy(worker.allowed_servers),
        max_result_bytes=worker.max_result_bytes,
    )


def _open_document_room(settings: Settings) -> DocumentRoom:
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
    return DocumentRoom(http, store, UrlPolicy(patterns), worker.max_attachment_bytes)


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


def _operation(task_type: str) -> Operation:
    operation = BY_TASK_TYPE.get(task_type)
    if operation is None:
        close = difflib.get_close_matches(task_type, BY_TASK_TYPE, n=1, cutoff=0.0)
        raise InputError(f"{task_type} is not an operation; did you mean {close[0]}?", field="task type")
    return operation
