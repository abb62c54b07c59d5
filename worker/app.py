"""The composition root: one object that runs operations, or serves Camunda's jobs with them."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

import structlog

from worker.documents.client import DocumentClient
from worker.documents.sign_in import SignIn
from worker.errors import EmailError, InputError, InternalError, MailServerError
from worker.job import progress, vendor
from worker.job.assignment import Assignment, Interpret
from worker.job.decision import to_json
from worker.job.defaults import assign
from worker.job.gateway import Subscription
from worker.job.input_faults import GROUPS, misspelt_groups
from worker.job.operation_run import OperationRun, OperationRunner
from worker.job.pipeline import Pipeline
from worker.job.request import read_request
from worker.job.runtime import Runtime, Served
from worker.mail.account import Account, account_of
from worker.mail.clients import MailClients
from worker.mail.operation_result import Deferred, OperationResult
from worker.masking import Mask, masking
from worker.oauth.access_tokens import AccessTokens
from worker.operations.catalogue import BY_TASK_TYPE, Operation
from worker.operations.context import OperationContext
from worker.secret_store import SecretStore, check_directory
from worker.settings import Settings, WorkerSettings, read_environment
from worker.telemetry import Telemetry
from worker.wiring import (
    job_rules,
    open_access_tokens,
    open_document_client,
    open_gateway,
    open_mail_clients,
    open_sign_in,
)

log = structlog.get_logger(__name__)


class EmailWorker:
    """The operations in one object: `call` does one, `serve` serves the jobs of Camunda.

    Use it as an async context manager: sessions with mail servers are kept between calls and closed at
    the end.
    """

    def __init__(self, settings: Settings, secrets: SecretStore) -> None:
        self._settings = settings
        self._secrets = secrets
        self._clients: MailClients | None = None
        self._tokens: AccessTokens | None = None
        self._sign_in: SignIn | None = None
        self._documents = DocumentClient()

    @classmethod
    def from_environment(cls, env_file: Path | None = None) -> Self:
        """Read settings and secrets from the environment and an env file; raises InputError."""
        environment = read_environment(env_file)
        settings = Settings.from_environment(environment)
        check_directory(settings.worker.secrets_dir)
        secrets = SecretStore(
            environment,
            prefix=settings.worker.secret_prefix,
            directory=settings.worker.secrets_dir,
        )
        defaults = settings.defaults
        for secret in (
            settings.gateway.client_secret,
            settings.gateway.basic_password,
            *(defaults.smtp_password, defaults.imap_password, defaults.pop3_password),
        ):
            if secret is not None:
                secrets.mask.learn(secret.get_secret_value())
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
        self._clients = open_mail_clients(self._settings.worker)
        self._sign_in = open_sign_in(self._settings, self._secrets.mask)
        self._documents = open_document_client(self._settings, self._sign_in)
        self._tokens = open_access_tokens(self._settings.worker)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._clients is not None:
            await self._documents.close()
            await self._open_tokens.close()
            await self._clients.close()
            self._clients = self._tokens = None

    async def call(self, task_type: str, variables: Mapping[str, Any]) -> Any:
        """Do one operation with the variables that a job would carry; return its result as JSON values.

        Raises EmailError; no secret is in its text. A POP3 email that could not be deleted afterwards is
        logged (`email_not_deleted`).
        """
        _ = self._open_clients  # raises outside of `async with`
        mask = Mask(shared=self._secrets.mask)
        try:
            with masking(mask):
                return await self._do(task_type, variables, mask)
        except EmailError as error:
            details = await asyncio.to_thread(mask.hide_in, error.details)
            raise type(error)(mask.hide(error.message), **details) from None
        except Exception as error:  # noqa: BLE001 - it is reported in one sentence
            # Its text may quote variables: kind and place are enough to fix it.
            raise InternalError(f"The worker failed unexpectedly at {task_type} ({_place(error)}).") from None

    async def _do(self, task_type: str, variables: Mapping[str, Any], mask: Mask) -> Any:
        assignment = self._interpreter(task_type)(variables)
        operation = assignment.operation
        request = await read_request(assignment, self._secrets, mask, self._settings.worker.secret_fields)
        account = self._account(operation, request)
        run = OperationRun(token_hex(16), datetime.now(UTC))
        done = await self._open_tokens.sign_in(
            account, lambda signed_in: self._perform(operation, request, signed_in, run)
        )
        result = assignment.reshape(to_json(done.result))
        if done.deferred is not None:
            await _commit(done.deferred, account.server)
        return result

    async def serve(self, stop: asyncio.Event) -> None:
        """Take jobs from Camunda until `stop` is set, then end them within the grace."""
        worker = self._settings.worker
        gateway = open_gateway(self._settings, self._sign_in)
        telemetry = Telemetry(self._settings, self._secrets.mask, BY_TASK_TYPE)
        pipeline = Pipeline(
            gateway,
            OperationRunner(self._account, self._perform, self._open_tokens.sign_in),
            self._secrets,
            job_rules(self._settings),
            telemetry.observers,
        )
        task_types = served_task_types(worker)
        served = [
            Served(self._interpreter_of_served(name, task_types), self._subscription(name, served_as))
            for name, served_as in task_types.items()
        ]
        runtime = Runtime(gateway, pipeline, served, max_jobs=worker.max_jobs)
        try:
            async with telemetry.exposed(runtime, gateway, self._open_clients):
                log.info(
                    "worker_started",
                    gateway=self._settings.gateway.target,
                    task_types=[each.subscription.task_type for each in served],
                )
                if not worker.allowed_servers:
                    log.warning("any_server_allowed", setting="EMAIL_WORKER_ALLOWED_SERVERS")
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
        operation = _operation(task_type)
        return partial(assign, operation, self._settings.defaults.variables(operation.protocol.value))

    def _interpreter_of_served(self, task_type: str, served: Container[str]) -> Interpret:
        """Return the interpreter of a job type; the vendor's may name an operation that is not served."""
        interpret = self._interpreter(task_type)

        def checked(variables: Mapping[str, Any]) -> Assignment:
            assignment = interpret(variables)
            wanted = assignment.operation.task_type
            if wanted not in served:
                raise InputError(
                    f"This worker does not serve {wanted}; ask its operator to add it to"
                    " EMAIL_WORKER_OPERATIONS.",
                    field="data",
                )
            return assignment

        return checked

    def _subscription(self, task_type: str, served_as: str) -> Subscription:
        worker = self._settings.worker
        # A misspelt variable is fetched too, so that the incident can name it.
        groups = vendor.GROUPS if task_type == vendor.TASK_TYPE else (*GROUPS, *misspelt_groups())
        return Subscription(
            served_as,
            variables=(*groups, progress.VARIABLE),
            job_timeout_seconds=worker.job_timeout_seconds,
            poll_seconds=worker.poll_timeout_seconds,
        )

    def _account(self, operation: Any, request: Any) -> Account:
        account = account_of(operation.protocol, request.server, request.authentication)
        self._open_clients.policy.admit(account)
        return account

    async def _perform(
        self, operation: Any, request: Any, account: Account, run: OperationRun
    ) -> OperationResult:
        context = OperationContext(
            account,
            self._open_clients,
            run.reference,
            run.started_at,
            documents=self._documents,
            delivered=run.delivered,
            may_change=run.may_change,
        )
        result: OperationResult = await operation.handler(request, context)
        return result

    @property
    def _open_tokens(self) -> AccessTokens:
        if self._tokens is None:
            raise RuntimeError("EmailWorker is used within `async with`")
        return self._tokens

    @property
    def _open_clients(self) -> MailClients:
        if self._clients is None:
            raise RuntimeError("EmailWorker is used within `async with`")
        return self._clients


async def _commit(deferred: Deferred, server: str) -> None:
    try:
        await deferred.commit()
    except MailServerError as error:
        # The email may be deleted all the same, so its content must not be lost.
        log.error("email_not_deleted", code=error.code, server=server)


def served_task_types(worker: WorkerSettings) -> dict[str, str]:
    """Return the job types to serve, each with the name under which diagrams know it. Raises InputError."""
    prefix = f"{worker.task_type_prefix}." if worker.task_type_prefix else ""
    for pattern in worker.operations:
        if not any(_matches(pattern, name) for name in BY_TASK_TYPE):
            raise InputError(
                f"EMAIL_WORKER_OPERATIONS: {pattern} is none of {', '.join(BY_TASK_TYPE)}.",
                field="EMAIL_WORKER_OPERATIONS",
            )
    served = {
        name: prefix + name
        for name in BY_TASK_TYPE
        if any(_matches(pattern, name) for pattern in worker.operations)
    }
    return served | ({vendor.TASK_TYPE: vendor.TASK_TYPE} if worker.vendor_task_type else {})


def _matches(pattern: str, task_type: str) -> bool:
    """Tell whether a pattern means an operation, with or without `email.` before it."""
    return any(fnmatchcase(name, pattern) for name in (task_type, task_type.removeprefix("email.")))


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name}, {Path(frame.filename).name}:{frame.lineno}"


def _operation(task_type: str) -> Operation:
    operation = BY_TASK_TYPE.get(task_type)
    if operation is None:
        raise InputError(
            f"{task_type} is not an operation; there are {', '.join(BY_TASK_TYPE)}.", field="job type"
        )
    return operation
