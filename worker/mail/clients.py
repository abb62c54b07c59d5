"""The clients of SMTP, IMAP and POP3, built once by the app."""

from __future__ import annotations

from dataclasses import dataclass

from worker.mail.account import ServerPolicy
from worker.mail.imap.mailboxes import ImapMailboxes
from worker.mail.pool import Pool, PoolFigures
from worker.mail.pop3.mailboxes import Pop3Mailboxes
from worker.mail.smtp.session import SmtpSession


@dataclass(frozen=True, slots=True)
class MailClients:
    """The clients and the bound on results.

    `max_result_bytes`: the largest result in bytes of JSON, without the name of its variable.
    """

    smtp: Pool[SmtpSession]
    imap: ImapMailboxes
    pop3: Pop3Mailboxes
    policy: ServerPolicy
    max_result_bytes: int

    def figures(self) -> dict[str, PoolFigures]:
        """Return the sessions of each protocol in numbers."""
        return {"smtp": self.smtp.figures, "imap": self.imap.figures, "pop3": self.pop3.figures}

    async def close(self) -> None:
        """Sign off at every server."""
        await self.smtp.close()
        await self.imap.close()
        await self.pop3.close()
