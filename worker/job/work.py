"""The state of the work on one job."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import structlog

from worker.errors import MailServerError
from worker.job.headers import ConnectorHeaders
from worker.job.outcome import Outcome, Returned
from worker.mail.command_trace import CommandTrace
from worker.mail.operation_result import Deferred
from worker.masking import Mask

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Work:
    """The state of one run of a job.

    `outcome`: what to report, as far as it is known. `deferred`: the deletion that waits until Camunda has
    stored the result. `delivered`: the addresses that have the email. `has_effect`: a mail server was
    changed. `is_counted`: it counts against the account's send rate. `has_failed`: the operation or the use
    of its result failed. `is_settled`: Camunda has the outcome.
    """

    mask: Mask
    trace: CommandTrace
    headers: ConnectorHeaders = field(default_factory=ConnectorHeaders)
    outcome: Outcome = field(default_factory=lambda: Returned("The worker is shutting down."))
    result: Any = None
    deferred: Deferred | None = None
    operation: str | None = None
    server: str | None = None
    delivered: set[str] = field(default_factory=set)
    is_counted: bool = False
    has_effect: bool = False
    has_failed: bool = False
    is_settled: bool = False

    async def abandon(self) -> None:
        """Leave the email where it is. Never raises."""
        if self.deferred is not None:
            await self.deferred.abandon()


async def commit(deferred: Deferred | None, server: str | None) -> None:
    """Do the deferred deletion, if there is one; what fails is logged. Raises nothing but CancelledError."""
    if deferred is None:
        return
    try:
        await deferred.commit()
    except MailServerError as error:
        # Without the message, as for every job: it may quote what the server says of the email.
        log.error("email_not_deleted", code=error.code, server=server)
    except asyncio.CancelledError:
        log.error("email_not_deleted", reason="The worker was told to stop.")
        raise
