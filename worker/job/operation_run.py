"""How a job calls the operations: the arguments of one run, and the calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from worker.job.assignment import Operation
from worker.mail.account import Account
from worker.mail.operation_result import OperationResult


@dataclass(frozen=True, slots=True)
class OperationRun:
    """One run of an operation. `reference`: names the work, the same on every attempt of a job.

    `delivered`: the addresses that have the email already; grows as the mail server accepts it.
    `may_change`: must be called before a change that cannot be undone; raises JobGone if another worker may
    have the job.
    """

    reference: str
    started_at: datetime
    delivered: set[str] = field(default_factory=set)
    may_change: Callable[[], None] = lambda: None


Work = Callable[[Account], Awaitable[None]]
Waiting = Callable[[str], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class OperationRunner:
    """The calls into the operations: which account a request means, and running it there.

    `sign_in`: does work with an access token, if the account needs one; while that is fetched, it is inside
    the context `waiting` for the token endpoint (`host:port`).
    """

    account: Callable[[Operation, Any], Account]
    perform: Callable[[Operation, Any, Account, OperationRun], Awaitable[OperationResult]]
    sign_in: Callable[[Account, Work, Waiting], Awaitable[None]]
