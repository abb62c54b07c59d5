"""Equal accounts for both sides, and variables for one job after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from testkit.accounts import Account
from testkit.dovecot import Dovecot
from testkit.wire import ImapWire, Pop3Wire, SmtpWire, Wire

from bench.operations import POP3_EMAILS, SIDES, Operation, variables_for
from bench.servers import dovecot, smtp_sink

WIRES: dict[str, type[Wire]] = {"imap": ImapWire, "pop3": Pop3Wire, "smtp": SmtpWire}
# Reading over POP3 deletes: so many jobs can be served.
_POP3_READS = 100


class Mailboxes:
    """The accounts of each side, with `size` emails in INBOX; `ports` are those of the mail servers."""

    def __init__(self, server: Dovecot, smtp_port: int, size: int) -> None:
        self.ports = {"imap": server.imap_port, "pop3": server.pop3_port, "smtp": smtp_port}
        self._size = size
        self._server = server
        self._accounts: dict[tuple[str, str], Account | None] = {}
        self._numbers = {(side, protocol): itertools.count(1) for side in SIDES for protocol in WIRES}

    def variables(self, side: str, operation: Operation, port: int) -> Mapping[str, Any]:
        """Those of the next job at a mail server's port: each is about another email."""
        number = next(self._numbers[side, operation.protocol]) if operation.takes_an_email else 0
        account = self._account(side, operation)
        return variables_for(port, operation.parameters(number, self._size), account)

    def _account(self, side: str, operation: Operation) -> Account | None:
        if operation.protocol == "smtp":
            return None
        kind = "imap" if operation.protocol == "imap" else operation.task
        if (side, kind) not in self._accounts:
            emails = {"imap": self._size, "pop3.list": POP3_EMAILS, "pop3.read": _POP3_READS}[kind]
            self._accounts[side, kind] = self._fill(f"{side}-{kind}-{self._size}", emails)
        return self._accounts[side, kind]

    def _fill(self, name: str, emails: int) -> Account:
        account = self._server.add_user(name, "s3cret")
        self._server.populate(name, emails)
        self._server.folder(name, "Archive").create()
        return account


@contextmanager
def mailboxes(size: int) -> Iterator[Mailboxes]:
    """Run a Dovecot and an SMTP sink."""
    with dovecot() as server, smtp_sink() as smtp_port:
        yield Mailboxes(server, smtp_port, size)
