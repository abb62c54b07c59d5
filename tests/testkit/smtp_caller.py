"""`email.smtp.send` as the worker calls it: a request and a context, without an engine."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any, Self, cast

from testkit.accounts import Account
from worker.mail.account import MailProtocol, account_of
from worker.mail.clients import MailClients
from worker.mail.operation_result import OperationResult
from worker.mail.pool import Pool, PoolLimits
from worker.mail.smtp.opening import open_smtp_session
from worker.mail.smtp.session import SmtpSession
from worker.mail.timeouts import Timeouts
from worker.models.base import Result
from worker.models.smtp import SendRequest
from worker.operations.context import OperationContext
from worker.operations.smtp import send

STARTED_AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
PATIENT = Timeouts(
    connect_seconds=60,
    tls_seconds=60,
    greeting_seconds=60,
    login_seconds=60,
    command_seconds=60,
    transfer_seconds=60,
)


@dataclass(frozen=True)
class SmtpCaller:
    """Sends to one server, by default in the clear and without signing in."""

    pool: Pool[SmtpSession]
    port: int
    account: Account | None = None
    host: str = "127.0.0.1"
    protocol: str = "NONE"
    may_change: Callable[[], None] = lambda: None

    @classmethod
    def open(
        cls, tls_context: ssl.SSLContext, *, timeouts: Timeouts = PATIENT, limits: PoolLimits | None = None
    ) -> Self:
        """A caller with a pool of its own; `at` names the server."""
        open_session = partial(open_smtp_session, tls_context=tls_context, timeouts=timeouts)
        return cls(Pool(open_session, limits or PoolLimits()), 0)

    def at(self, port: int, protocol: str = "NONE", account: Account | None = None, **changes: Any) -> Self:
        """The same for another server, encryption or account, with the same pool."""
        return replace(self, port=port, protocol=protocol, account=account, **changes)

    async def send(self, **parameters: Any) -> dict[str, Any]:
        """Send a mail from Ann to Bob, but for what is given; the variables that come back."""
        answer = await self.answer(**parameters)
        assert isinstance(answer.result, Result)
        variables = answer.result.to_variables()
        assert isinstance(variables, dict)
        assert answer.has_effect == variables["sent"]
        return variables

    async def answer(
        self, *, reference: str = "job-1", delivered: set[str] | None = None, **parameters: Any
    ) -> OperationResult:
        """Send as `send` does; the answer as the pipeline gets it."""
        usual = {"from": "ann@example.org", "to": "bob@example.org", "subject": "Hello", "body": "Hello Bob"}
        request = SendRequest.model_validate(
            {
                "authentication": self._authentication(),
                "server": {"host": self.host, "port": self.port, "cryptographicProtocol": self.protocol},
                "parameters": {**usual, **parameters},
            }
        )
        account = account_of(MailProtocol.SMTP, request.server, request.authentication)
        # Only this protocol's client is needed.
        clients = cast("MailClients", SimpleNamespace(smtp=self.pool))
        context = OperationContext(
            account,
            clients,
            reference,
            STARTED_AT,
            delivered=set() if delivered is None else delivered,
            may_change=self.may_change,
        )
        return await send(request, context)

    def _authentication(self) -> dict[str, str]:
        if self.account is None:
            return {"type": "noAuth"}
        return {"type": "simple", "username": self.account.username, "password": self.account.password}
