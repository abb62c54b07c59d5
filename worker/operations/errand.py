"""What a handler is given beside its request."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from worker.documents.room import DocumentRoom
from worker.mail.account import Account
from worker.mail.room import MailRoom


@dataclass(frozen=True, slots=True)
class Errand:
    """One piece of work at one mail server.

    `account`: already admitted by the operator's server policy. `reference`: names the work, the same
    on every attempt of a job. `started_at`: aware, UTC. `documents`: without a store where none is given.
    """

    account: Account
    room: MailRoom
    reference: str
    started_at: datetime
    documents: DocumentRoom = field(default_factory=DocumentRoom)
