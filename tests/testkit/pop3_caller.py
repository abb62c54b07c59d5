"""The POP3 operations as the worker calls them: a request and a context, without an engine."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from worker.documents.client import DocumentClient
from worker.mail.account import MailProtocol, account_of
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.mailboxes import Pop3Mailboxes
from worker.mail.timeouts import Timeouts
from worker.models.pop3 import DeleteRequest, ListRequest, ReadRequest, SearchRequest
from worker.operations.context import OperationContext
from worker.operations.pop3 import delete_email, list_emails, read_email, search_emails

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from testkit.accounts import Account
    from worker.mail.clients import MailClients
    from worker.mail.operation_result import Deferred, OperationResult

STARTED_AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Mailbox:
    """A mailbox of a test's own at a server of some make; `subjects` are of what is there, oldest first."""

    make: str
    account: Account
    pop3_port: int
    pop3s_port: int
    imap_port: int
    deliver: Callable[[bytes], Awaitable[None]]
    subjects: Callable[[], Awaitable[list[str]]]


@dataclass
class Pop3Caller:
    """Calls the operations for one mailbox.

    `list_emails` and `search_emails` give the variables; `read` and `delete` the variables and what was
    deferred.
    """

    mailboxes: Pop3Mailboxes
    port: int
    username: str = "ann"
    password: str = "s3cret"
    host: str = "127.0.0.1"
    protocol: str = "NONE"
    max_result_bytes: int = 1_000_000
    documents: DocumentClient = field(default_factory=DocumentClient)

    async def list_emails(self, **parameters: Any) -> list[dict[str, Any]]:
        """`email.pop3.list`."""
        return _rows(await self.call(list_emails, ListRequest, parameters))

    async def search_emails(self, criteria: Any = None) -> list[dict[str, Any]]:
        """`email.pop3.search`."""
        return _rows(await self.call(search_emails, SearchRequest, {"criteria": criteria}))

    async def read(self, message_id: str, **parameters: Any) -> tuple[dict[str, Any], Deferred]:
        """`email.pop3.read`, up to where the engine is told."""
        parameters = {"messageId": message_id, **parameters}
        return _deferred(await self.call(read_email, ReadRequest, parameters))

    async def delete(self, message_id: str) -> tuple[dict[str, Any], Deferred]:
        """`email.pop3.delete`, up to where the engine is told."""
        return _deferred(await self.call(delete_email, DeleteRequest, {"messageId": message_id}))

    async def call(
        self,
        handler: Callable[[Any, OperationContext], Awaitable[OperationResult]],
        model: Any,
        parameters: dict[str, Any],
    ) -> OperationResult:
        """Any operation, by its handler and the model of its request."""
        server = {"host": self.host, "port": self.port, "cryptographicProtocol": self.protocol}
        authentication = {"username": self.username, "password": self.password}
        request = model.model_validate(
            {"authentication": authentication, "server": server, "parameters": parameters}
        )
        account = account_of(MailProtocol.POP3, request.server, request.authentication)
        # Only this protocol's client is needed.
        clients = cast(
            "MailClients", SimpleNamespace(pop3=self.mailboxes, max_result_bytes=self.max_result_bytes)
        )
        return await handler(request, OperationContext(account, clients, "job-1", STARTED_AT, self.documents))


def _rows(answer: OperationResult) -> list[dict[str, Any]]:
    assert isinstance(answer.result, list)
    return [row.to_variables() for row in answer.result]


def _deferred(answer: OperationResult) -> tuple[dict[str, Any], Deferred]:
    assert not isinstance(answer.result, list)
    assert answer.deferred is not None
    return answer.result.to_variables(), answer.deferred


MakeCaller = Callable[..., Pop3Caller]


@asynccontextmanager
async def pop3_callers() -> AsyncIterator[MakeCaller]:
    """Make callers for a port and limits, each as of another worker; all are closed at the end."""
    async with AsyncExitStack() as stack:

        def make(port: int, *, timeouts: Timeouts = Timeouts(), **limits: Any) -> Pop3Caller:  # noqa: B008
            mailboxes = Pop3Mailboxes(ssl.create_default_context(), timeouts, Pop3Limits(**limits))
            stack.push_async_callback(mailboxes.close)
            return Pop3Caller(mailboxes, port)

        yield make
