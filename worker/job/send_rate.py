"""How many emails an account sends within a minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.job.admission import NotAdmitted
from worker.mail.account import Account, MailProtocol

_WINDOW_SECONDS = 60.0


@dataclass(slots=True)
class _Sent:
    """When the account sent lately, and how many jobs it has refused since it last sent."""

    sent_at: deque[float] = field(default_factory=deque)
    refused: int = 0


class SendRate:
    """A limit on what each account sends within any minute. `clock`: monotonic seconds."""

    def __init__(self, max_per_minute: int, clock: Callable[[], float]) -> None:
        self._max = max_per_minute
        self._clock = clock
        self._accounts: dict[Account, _Sent] = {}

    def admit(self, account: Account) -> None:
        """Count an email before it is sent; raises NotAdmitted above the limit.

        Each refused job gets a later time than the one before, so that they do not all come back
        together.
        """
        if not self._max or account.protocol is not MailProtocol.SMTP:
            return
        now = self._clock()
        self._forget(now)
        # With the password: somebody who knows only the user name cannot use up the limit of its owner.
        entry = self._accounts.setdefault(account, _Sent())
        if len(entry.sent_at) < self._max:
            entry.sent_at.append(now)
            entry.refused = 0
            return
        pause_seconds = entry.sent_at[0] + _WINDOW_SECONDS - now + entry.refused * _WINDOW_SECONDS / self._max
        entry.refused += 1
        raise NotAdmitted(
            f"The account has sent {self._max} emails to {account.server} within a minute, which is its"
            " limit (EMAIL_WORKER_MAX_SENDS_PER_MINUTE).",
            pause_seconds,
        )

    def _forget(self, now: float) -> None:
        for account, entry in list(self._accounts.items()):
            while entry.sent_at and entry.sent_at[0] <= now - _WINDOW_SECONDS:
                entry.sent_at.popleft()
            if not entry.sent_at:
                del self._accounts[account]
