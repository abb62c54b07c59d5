"""The IMAP operations as the worker calls them: by a request and a context, or by EmailWorker."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from worker.mail.account import MailProtocol, account_of
from worker.models.imap import (
    DeleteRequest,
    FlagRequest,
    FoldersRequest,
    ListRequest,
    MoveRequest,
    ReadRequest,
    SearchRequest,
)
from worker.models.imap_append import AppendRequest
from worker.operations.catalogue import CATALOGUE
from worker.operations.context import OperationContext
from worker.operations.imap import (
    append_email,
    delete_email,
    flag_email,
    list_all_folders,
    list_emails,
    move_email,
    read_email,
    search_emails,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from testkit.accounts import Account
    from testkit.counting_proxy import CountingProxy
    from testkit.imap_probe import ImapProbe
    from worker import EmailWorker
    from worker.mail.clients import MailClients
    from worker.mail.imap.mailboxes import ImapMailboxes
    from worker.mail.operation_result import OperationResult

STARTED_AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass
class ImapCaller:
    """Calls the operations for one account; each gives the variables of its result."""

    mailboxes: ImapMailboxes
    port: int
    username: str = "ann"
    password: str = "s3cret"
    host: str = "127.0.0.1"
    protocol: str = "NONE"
    max_result_bytes: int = 3_500_000
    reference: str = "job-1"
    may_change: Callable[[], None] = lambda: None
    answers: list[OperationResult] = field(default_factory=list)

    async def list_emails(self, **parameters: Any) -> list[dict[str, Any]]:
        """`email.imap.list`."""
        return cast("list[dict[str, Any]]", await self._call(list_emails, ListRequest, parameters))

    async def search(self, criteria: Any = None, **parameters: Any) -> list[dict[str, Any]]:
        """`email.imap.search`."""
        found = await self._call(search_emails, SearchRequest, {"criteria": criteria, **parameters})
        return cast("list[dict[str, Any]]", found)

    async def read(self, message_id: str, **parameters: Any) -> dict[str, Any]:
        """`email.imap.read`."""
        read = await self._call(read_email, ReadRequest, {"messageId": message_id, **parameters})
        return cast("dict[str, Any]", read)

    async def delete(self, message_id: str, **parameters: Any) -> dict[str, Any]:
        """`email.imap.delete`."""
        deleted = await self._call(delete_email, DeleteRequest, {"messageId": message_id, **parameters})
        return cast("dict[str, Any]", deleted)

    async def move(self, message_id: str, to_folder: str, **parameters: Any) -> dict[str, Any]:
        """`email.imap.move`."""
        parameters = {"messageId": message_id, "toFolder": to_folder, **parameters}
        return cast("dict[str, Any]", await self._call(move_email, MoveRequest, parameters))

    async def flag(self, message_id: str, **parameters: Any) -> dict[str, Any]:
        """`email.imap.flag`."""
        flagged = await self._call(flag_email, FlagRequest, {"messageId": message_id, **parameters})
        return cast("dict[str, Any]", flagged)

    async def append(self, folder: str, **parameters: Any) -> dict[str, Any]:
        """`email.imap.append`."""
        appended = await self._call(append_email, AppendRequest, {"folder": folder, **parameters})
        return cast("dict[str, Any]", appended)

    async def folders(self, **parameters: Any) -> list[dict[str, Any]]:
        """`email.imap.folders`."""
        return cast("list[dict[str, Any]]", await self._call(list_all_folders, FoldersRequest, parameters))

    async def _call(
        self,
        handler: Callable[[Any, OperationContext], Awaitable[OperationResult]],
        model: Any,
        parameters: dict[str, Any],
    ) -> Any:
        server = {"host": self.host, "port": self.port, "cryptographicProtocol": self.protocol}
        authentication = {"username": self.username, "password": self.password}
        request = model.model_validate(
            {"authentication": authentication, "server": server, "parameters": parameters}
        )
        account = account_of(MailProtocol.IMAP, request.server, request.authentication)
        # Only this protocol's client is needed.
        clients = cast(
            "MailClients", SimpleNamespace(imap=self.mailboxes, max_result_bytes=self.max_result_bytes)
        )
        context = OperationContext(account, clients, self.reference, STARTED_AT, may_change=self.may_change)
        answer = await handler(request, context)
        self.answers.append(answer)
        result = answer.result
        return [row.to_variables() for row in result] if isinstance(result, list) else result.to_variables()


@dataclass
class WorkerCaller(ImapCaller):
    """The same by `EmailWorker.call`, as a program would; `answers` stays empty."""

    worker: EmailWorker | None = None

    async def _call(
        self,
        handler: Callable[[Any, OperationContext], Awaitable[OperationResult]],
        model: Any,  # noqa: ARG002 - the worker finds it by the task type
        parameters: dict[str, Any],
    ) -> Any:
        assert self.worker is not None
        variables = {
            "authentication": {"username": self.username, "password": self.password},
            "server": {"host": self.host, "port": self.port, "cryptographicProtocol": self.protocol},
            "parameters": parameters,
        }
        operation = next(each for each in CATALOGUE if each.handler is handler)
        return await self.worker.call(operation.task_type, variables)


@dataclass(frozen=True)
class Spot:
    """An account at a server, and what is special there.

    `removed`: capabilities that the server is to do without. `is_size_wrong`: its RFC822.SIZE is that of
    the body alone. `ends_rival_moves`: of two who move the same mail it may cut one off.
    `lacks`: fields that it cannot search for.
    """

    port: int
    account: Account
    removed: tuple[str, ...] = ()
    is_size_wrong: bool = False
    ends_rival_moves: bool = False
    lacks: tuple[str, ...] = ()


@dataclass
class Place:
    """A spot with a proxy before it: `caller` does our operations there, `probe` is somebody else."""

    caller: ImapCaller
    probe: ImapProbe
    proxy: CountingProxy
    spot: Spot
