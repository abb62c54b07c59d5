"""How a job calls the operations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from worker.mail.account import Account
from worker.operations.catalogue import Operation
from worker.operations.context import OperationContext

Work = Callable[[Account], Awaitable[None]]
Waiting = Callable[[str], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class OperationRunner:
    """What an operation needs from the worker, as calls.

    `account`: which account a request means. `context`: what its handler gets; takes the account, the
    reference, and `delivered` and `may_change` by name. `sign_in`: does work with an access token, if the
    account needs one; while that is fetched, it is inside the context `waiting` for the token endpoint
    (`host:port`).
    """

    account: Callable[[Operation, Any], Account]
    context: Callable[..., OperationContext]
    sign_in: Callable[[Account, Work, Waiting], Awaitable[None]]
