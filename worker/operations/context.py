"""What an operation gets in addition to its request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from worker.documents.client import DocumentClient
from worker.mail.account import Account
from worker.mail.clients import MailClients


@dataclass(frozen=True, slots=True)
class OperationContext:
    """One run of an operation at one mail server.

    `account`: already checked against the allowed servers. `reference`: names the work, the same on every
    attempt of a job. `started_at`: aware, UTC. `documents`: without a store if none is configured.
    `delivered`: who has the email to be sent from an earlier attempt; the operation adds to it as it goes.
    `may_change`: to be called, from any thread, right before what cannot be undone (the final dot; IMAP
    commands that change something); raises JobGone if another worker may have the job by now.
    """

    account: Account
    clients: MailClients
    reference: str
    started_at: datetime
    documents: DocumentClient = field(default_factory=DocumentClient)
    delivered: set[str] = field(default_factory=set)
    may_change: Callable[[], None] = lambda: None
