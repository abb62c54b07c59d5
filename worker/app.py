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
from typing import Any, Self

import structlog

from worker.errors import EmailError, InputError, InternalError
from worker.job import progress, vendor
from worker.job.assignment import Interpret
from worker.job.decision import to_json
from worker.job.defaults import assign
from worker.job.gateway import Subscription
from worker.job.input_faults import GROUPS, MISSPELT_GROUPS
from worker.job.operation_runner import OperationRunner
from worker.job.pipeline import Pipeline
from worker.job.request import read_request
from worker.job.runtime import Runtime, Served
from worker.job.work import commit
from worker.mail.account import Account, account_of
from worker.masking import Mask, masking
from worker.operations.catalogue import BY_TASK_TYPE, Operation
from worker.operations.context import OperationContext
from worker.secret_store import SecretStore, check_directory
from worker.settings import Settings, WorkerSettings, read_environment
from worker.telemetry import Telemetry
from worker.wiring import (
    open_access_tokens,
    open_document_client,
    open_gateway,
    open_mail_clients,
    open_secrets,
    open_sign_in,
)

log = structlog.get_logger(__name__)


class EmailWorker:
    """The operations in one object: `call` does one, `serve` serves the jobs of Camunda.

    Use it as an async context manager: sessions with mail servers are kept between calls and closed at
    the end.
    """

    def __init__(self, settings: Settings, secrets: SecretStore) -> None:
        """Connect to nothing yet. Raises InputError for a file of the settings that cannot be read."""
        self.settings = settings
        self.secrets = secrets
        self._clients = open_mail_clients(settings.worker)
        self._sign_in = open_sign_in(settings, secrets.mask)
        self._documents = open_document_client(settings, self._sign_in)
        self._tokens = open_access_tokens(settings.worker)

    @classmethod
    def from_environment(cls, env_file: Path | None = None) -> Self:
        """Read settings and secrets from the environment and an env file; raises InputError."""
        environment = read_environment(env_file)
        settings = Settings.from_environment(environment)
        check_directory(settings.worker.secrets_dir)
        secrets = open_secrets(settings, environment)
        for secret in (
            settings.gateway.client_secret,
            settings.gateway.basic_password,
            *(account.password for account in settings.defaults.values()),
        ):
            if secret is not None:
                secrets.mask.learn(secret.get_secret_value())
        return cls(settings, secrets)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._documents.close()
        await self._tokens.close()
        await self._clients.close()

    async def call(self, task_type: str, variables: Mapping[str, Any]) -> Any:
        """Do one operation with the variables that a job would carry; return its result as JSON values.

        Raises EmailError; no secret is in its text. A POP3 email that could not be deleted afterwards is
        logged (`email_not_deleted`).
        """
        mask = Mask(shared=self.secrets.mask)
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
        request = await read_request(assignment, self.secrets, mask, self.settings.worker.secret_fields)
        account = self._account(operation, request)
        context = partial(self._context, reference=token_hex(16), delivered=set())
        done = await self._tokens.sign_in(
            account, lambda signed_in: operation.handler(request, context(signed_in))
        )
        result = assignment.reshape(to_json(done.result))
        await commit(done.deferred, account.server)
        return result

    async def serve(self, stop: asyncio.Event) -> None:
        """Take jobs from Camunda until `stop` is set, then end them within the grace."""
        worker = self.settings.worker
        gateway = open_gateway(self.settings, self._sign_in)
        telemetry = Telemetry(self.settings, self.secrets.mask, BY_TASK_TYPE)
        pipeline = Pipeline(
            gateway,
            OperationRunner(self._account, self._context, self._tokens.sign_in),
            self.secrets,
            self.settings,
            telemetry.observers,
        )
        task_types = served_task_types(worker)
        served = [
            Served(self._interpreter(name, task_types), self._subscription(name, served_as))
            for name, served_as in task_types.items()
        ]
        runtime = Runtime(gateway, pipeline, served)
        try:
            async with telemetry.exposed(runtime, gateway, self._clients):
                log.info(
                    "worker_started",
                    gateway=self.settings.gateway.target,
                    task_types=[each.subscription.task_type for each in served],
                )
                if not worker.allowed_servers:
                    log.warning("any_server_allowed", setting="EMAIL_WORKER_ALLOWED_SERVERS")
                await runtime.run(stop, grace_seconds=worker.shutdown_grace_seconds)
        finally:
            await gateway.close()
        log.info("worker_stopped")

    def _interpreter(self, task_type: str, served: Container[str] = BY_TASK_TYPE) -> Interpret:
        """Return how a job type is read. `served`: the operations that the vendor's job type may name."""
        if task_type == vendor.TASK_TYPE:
            has_store = self.settings.gateway.rest_address is not None
            return partial(vendor.interpret, served=served, stores_attachments=has_store)
        operation = BY_TASK_TYPE.get(task_type)
        if operation is None:
            raise InputError(
                f"{task_type} is not an operation; there are {', '.join(BY_TASK_TYPE)}.", field="job type"
            )
        return partial(assign, operation, self.settings.defaults[operation.protocol.value].variables())

    def _subscription(self, task_type: str, served_as: str) -> Subscription:
        worker = self.settings.worker
        # A misspelt variable is fetched too, so that the incident can name it.
        groups = vendor.GROUPS if task_type == vendor.TASK_TYPE else (*GROUPS, *MISSPELT_GROUPS)
        return Subscription(
            served_as,
            variables=(*groups, progress.VARIABLE),
            job_timeout_seconds=worker.job_timeout_seconds,
            poll_seconds=worker.poll_timeout_seconds,
        )

    def _account(self, operation: Operation, request: Any) -> Account:
        account = account_of(operation.protocol, request.server, request.authentication)
        self._clients.policy.admit(account)
        return account

    def _context(self, account: Account, reference: str, **more: Any) -> OperationContext:
        return OperationContext(account, self._clients, reference, datetime.now(UTC), self._documents, **more)


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
