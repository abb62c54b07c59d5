"""What a handler is given beside its request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from worker.mail.account import Account
from worker.mail.room import MailRoom


@dataclass(frozen=True, slots=True)
class Errand:
    """One piece of work at one mail server.

    `account`: already admitted by the operator's server policy. `reference`: names the work, the same
    on every attempt of a job. `started_at`: aware, UTC.
    """

    account: Account
    room: MailRoom
    reference: str
    started_at: datetime
