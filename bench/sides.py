"""The two sides of a comparison: the worker and a bare client do the same to equal accounts."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from testkit.accounts import Account
from testkit.workers import email_worker

from bench.bare_imap import BareImap
from bench.distribution import Distribution
from bench.servers import HOST
from worker import EmailWorker

LISTED = 100
IMAP_OPERATIONS = ("list", "search", "read", "delete", "move")
# A list of another length each time, so that the order of the last one does not serve it.
LIST_ANEW = "list anew"

Arm = Callable[[int], Awaitable[object]]


@dataclass(frozen=True)
class WorkerImap:
    """The worker at one account. `do` takes the operation and the number of a message."""

    email: EmailWorker
    port: int
    account: Account

    async def do(self, operation: str, number: int) -> Any:
        """Do one operation and return its result."""
        task_type = f"email.imap.{operation.removesuffix(' anew')}"
        return await self.email.call(task_type, self.variables(operation, number))

    def variables(self, operation: str, number: int) -> dict[str, Any]:
        """What a process would give."""
        message_id = numbered_id(number)
        parameters: dict[str, Any] = {
            "list": {"maxToBeRead": LISTED, "folder": "INBOX", "sortField": "RECEIVED_DATE"},
            LIST_ANEW: {"maxToBeRead": _length(number), "folder": "INBOX", "sortField": "RECEIVED_DATE"},
            "search": {"folder": "INBOX", "criteria": {"field": "SUBJECT", "value": f"Message {number}"}},
            "read": {"folder": "INBOX", "messageId": message_id},
            "delete": {"folder": "INBOX", "messageId": message_id},
            "move": {"fromFolder": "INBOX", "toFolder": "Archive", "messageId": message_id},
        }
        return variables_for(self.port, parameters[operation], account=self.account)


@dataclass(frozen=True)
class BareSide:
    """The bare client at one account."""

    session: BareImap

    @classmethod
    def at(cls, port: int, account: Account) -> BareSide:
        """Sign in."""
        return cls(BareImap(HOST, port, account.username, account.password))

    def do(self, operation: str, number: int) -> bytes:
        """Do one operation and return the last answer."""
        match operation:
            case "list":
                return self.session.list(LISTED)
            case "list anew":
                return self.session.list(_length(number))
            case "search":
                return self.session.search(f"Message {number}")
            case "read":
                return self.session.read(numbered_id(number))
            case "delete":
                return self.session.delete(numbered_id(number))
            case _:
                return self.session.move(numbered_id(number))


def _length(number: int) -> int:
    """Lengths that differ for a hundred numbers, around the usual one."""
    return LISTED // 2 + number % (LISTED + 1)


def numbered_id(number: int) -> str:
    """The Message-ID of testkit's n-th numbered message."""
    return f"<{number}@numbered.example.org>"


def variables_for(
    port: int, parameters: Mapping[str, Any], *, account: Account | None = None, protocol: str = "NONE"
) -> dict[str, Any]:
    """The three variables of an operation at a local server."""
    sign_in: dict[str, str] = {"type": "noAuth"}
    if account is not None:
        sign_in = {"type": "simple", "username": account.username, "password": account.password}
    return {
        "authentication": sign_in,
        "server": {"host": HOST, "port": port, "cryptographicProtocol": protocol},
        "parameters": dict(parameters),
    }


LETTER = {"from": "ann@example.org", "to": ["bob@example.org"], "subject": "Hello", "body": "Hello Bob"}


def worker_with(**environment: str) -> EmailWorker:
    """A worker that sees this environment alone."""
    return email_worker(**environment)


async def compare(*arms: Arm, rounds: int) -> list[Distribution]:
    """Time arms by turns, each round in another order, in milliseconds; round 0 is not counted."""
    times: list[list[float]] = [[] for _ in arms]
    for number in range(rounds + 1):
        first = number % len(arms)
        for index in (*range(first, len(arms)), *range(first)):
            began = time.perf_counter()
            await arms[index](number)
            times[index].append((time.perf_counter() - began) * 1_000)
    return [Distribution.of(each[1:]) for each in times]
