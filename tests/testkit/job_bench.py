"""A worker between a scripted gateway and a fake operation: what the tests of jobs stand on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from testkit.jobs import SECOND_TASK_TYPE, TASK_TYPE
from testkit.scripted_gateway import ScriptedGateway
from worker.job.admission import Admission
from worker.job.assignment import Assignment
from worker.job.gateway import Subscription
from worker.job.operation_runner import OperationRunner, Waiting, Work
from worker.job.pipeline import Pipeline
from worker.job.runtime import Runtime, Served
from worker.mail.account import Account, MailProtocol, account_of
from worker.mail.clients import MailClients
from worker.mail.command_trace import traced
from worker.mail.operation_result import OperationResult
from worker.models.authentication import OptionalAuthentication
from worker.models.base import Request, Result, Server
from worker.oauth.access_tokens import AccessTokens
from worker.operations.catalogue import Operation
from worker.operations.context import OperationContext
from worker.secret_store import SecretStore
from worker.settings import Settings

JOB_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 30.0


class LetterParameters(Request):
    """Any text."""

    text: str | None = None


class LetterRequest(Request):
    """The three groups, as of a real operation."""

    authentication: OptionalAuthentication
    server: Server
    parameters: LetterParameters


class LetterResult(Result):
    """A text to tell results apart."""

    text: str = "sent"


class FakeDeferred:
    """Satisfies worker.mail.operation_result.Deferred; `ends` holds the calls, of which there must be one."""

    def __init__(self, failure: Exception | None = None, *, takes_seconds: float = 0) -> None:
        self.ends: list[str] = []
        self._failure = failure
        self._takes_seconds = takes_seconds

    async def commit(self) -> None:
        self.ends.append("commit")
        await asyncio.sleep(self._takes_seconds)
        if self._failure is not None:
            raise self._failure

    async def abandon(self) -> None:
        self.ends.append("abandon")


# A fake operation has no mail server.
NO_CLIENTS = cast("MailClients", None)
STARTED_AT = datetime(2026, 11, 27, tzinfo=UTC)
SENT = OperationResult(LetterResult(), has_effect=True)
LISTED = OperationResult(LetterResult(text="listed"))

Script = OperationResult | Exception | Callable[[], Awaitable[OperationResult]]


async def with_password(account: Account, work: Work, _waiting: Waiting) -> None:
    """Do the work without an access token."""
    await work(account)


class FakeHandler:
    """Does what the script says, one entry a run; without one it answers SENT. Waits at `gate` first."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.script: deque[Script] = deque()
        self.gate = asyncio.Event()
        self.gate.set()
        self.references: list[str] = []
        self.running = 0
        self.most_running = 0
        self.cancelled = 0
        self.sends_a_command = True
        # A script for each account, which goes before the common one.
        self.answers_of: Callable[[Account], Script | None] = lambda _: None
        # Of the latest run.
        self.may_change: Callable[[], None] = lambda: None
        self.delivered: set[str] = set()

    @property
    def runs(self) -> int:
        """How often the work was done or begun."""
        return len(self.references)

    def shut(self) -> None:
        """Let runs wait until the gate is opened."""
        self.gate.clear()

    def open(self) -> None:
        """Let runs go on."""
        self.gate.set()

    async def __call__(self, _request: Any, context: OperationContext) -> OperationResult:
        account = context.account
        self.references.append(context.reference)
        self.may_change, self.delivered = context.may_change, context.delivered
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self._changed()
        # What has sent a command keeps its place, however long its server is silent.
        if self.sends_a_command:
            traced(account.protocol, account.server, "NOOP")
        try:
            await self.gate.wait()
            step = self.answers_of(account) or (self.script.popleft() if self.script else SENT)
            if isinstance(step, Exception):
                raise step
            return step if isinstance(step, OperationResult) else await step()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
            self._changed()


@dataclass
class Bench:
    """The rules of one worker, and what surrounds it."""

    gateway: ScriptedGateway = field(default_factory=ScriptedGateway)
    handler: FakeHandler = field(init=False)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    max_jobs: int = 8
    max_jobs_per_server: int = 8
    # Whether the mail servers have answered before: of one that has not, a job at a time is tried.
    has_answered: bool = True
    protocol: MailProtocol = MailProtocol.SMTP
    max_result_bytes: int = 1_000
    grace_seconds: float = 20.0
    secrets: dict[str, str] = field(default_factory=dict)
    # Where access tokens come from, if a test has any.
    tokens: AccessTokens | None = None
    task_types: tuple[str, ...] = (TASK_TYPE, SECOND_TASK_TYPE)

    _admission: Admission = field(init=False)

    def __post_init__(self) -> None:
        self.handler = FakeHandler(self.gateway.notify)

    def runtime(self) -> Runtime:
        """Join the parts."""
        usual = Settings.from_environment({"ZEEBE_ADDRESS": "test:26500"})
        rules = {
            "retry_backoff_seconds": 10.0,
            "max_result_bytes": self.max_result_bytes,
            "max_jobs": self.max_jobs,
            "max_jobs_per_server": self.max_jobs_per_server,
            "secret_fields": ("authentication.*", "server.*"),
            "cluster_name": "test",
        }
        # Also below the limits of the settings.
        settings = usual.model_copy(update={"worker": usual.worker.model_copy(update=rules)})
        secrets = SecretStore(self.secrets, prefix="SECRET_", directory=None)
        sign_in = self.tokens.sign_in if self.tokens else with_password
        runner = OperationRunner(self._account, _context, sign_in)
        pipeline = Pipeline(self.gateway, runner, secrets, settings)
        served = [
            Served(
                partial(Assignment, self._operation(task_type)),
                Subscription(task_type, ("authentication",), JOB_TIMEOUT_SECONDS, POLL_SECONDS),
            )
            for task_type in self.task_types
        ]
        self._admission = pipeline.admission
        return Runtime(self.gateway, pipeline, served)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[asyncio.Task[None]]:
        """Serve while the block runs, then stop in an orderly way; yield the task of `run`."""
        task = asyncio.create_task(self.runtime().run(self.stop, grace_seconds=self.grace_seconds))
        try:
            yield task
        finally:
            self.stop.set()
            await asyncio.wait([task])
        task.result()

    async def until_running(self, count: int) -> None:
        """Wait until `count` runs of the handler are under way."""
        await self.gateway.until(lambda: self.handler.running == count)

    def _operation(self, task_type: str) -> Operation:
        return Operation(task_type, "Send letter", self.protocol, LetterRequest, LetterResult, self.handler)

    def _account(self, _operation: Any, request: LetterRequest) -> Account:
        account = account_of(self.protocol, request.server, request.authentication)
        if self.has_answered:
            # As if the server had just answered this account and all others.
            self._admission._sick_accounts.clear()
            self._admission._breaker.answered(account.way)
        return account


def _context(account: Account, reference: str, **more: Any) -> OperationContext:
    return OperationContext(account, NO_CLIENTS, reference, STARTED_AT, **more)
