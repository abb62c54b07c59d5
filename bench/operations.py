"""The operations: their variables, what the protocol needs at least, and the limits of the worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from testkit.accounts import Account

# The first part of the job types of the plain worker and of this worker.
SIDES = ("plain", "email")
LISTED = 100
POP3_EMAILS = 20

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One operation, on a reused session if the protocol allows that.

    `parameters` returns the parameters for an email, by its number, in a folder of a size. `least` is the
    number of round trips that every client needs, `because` their commands. `commands`, `round_trips` and
    `octets` (in both directions) are the limits of the worker, for folders of any size.
    """

    title: str
    task: str
    parameters: Callable[[int, int], Parameters]
    least: int
    because: str
    commands: int
    round_trips: int
    octets: int

    @property
    def takes_an_email(self) -> bool:
        """Whether it is about one email that has been delivered."""
        return self.task.endswith((".read", ".move", ".delete"))

    @property
    def protocol(self) -> str:
        """`imap`, `pop3` or `smtp`."""
        return self.task.partition(".")[0]


def numbered_id(number: int) -> str:
    """The Message-ID of testkit's n-th numbered message."""
    return f"<{number}@numbered.example.org>"


def variables_for(port: int, parameters: Parameters, account: Account | None = None) -> Mapping[str, Any]:
    """The three variables of an operation at a server of this machine."""
    sign_in: dict[str, str] = {"type": "noAuth"}
    if account is not None:
        sign_in = {"type": "simple", "username": account.username, "password": account.password}
    return {
        "authentication": sign_in,
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": parameters,
    }


def send_to(recipients: int) -> Parameters:
    """A short email to so many."""
    to = [f"bob{number}@example.org" for number in range(recipients)]
    return {"from": "ann@example.org", "to": to, "subject": "Hello", "body": "Hello Bob"}


def _list(_number: int, _size: int) -> Parameters:
    return {"maxToBeRead": LISTED, "folder": "INBOX", "sortOrder": "DESC"}


def _search(_number: int, size: int) -> Parameters:
    # The last email is found by its subject alone: no other number begins with its own.
    return {"folder": "INBOX", "criteria": {"field": "SUBJECT", "value": f"Message {size}"}}


def _by_id(number: int, _size: int) -> Parameters:
    return {"folder": "INBOX", "messageId": numbered_id(number)}


def _move(number: int, _size: int) -> Parameters:
    return {"fromFolder": "INBOX", "toFolder": "Archive", "messageId": numbered_id(number)}


def _list_pop3(_number: int, _size: int) -> Parameters:
    return {"maxToBeRead": LISTED}


def _read_pop3(number: int, _size: int) -> Parameters:
    return {"messageId": numbered_id(number)}


_LIST_POP3 = "greeting, USER, PASS, UIDL with LIST, QUIT"
_READ_POP3 = "greeting, USER, PASS, UIDL, RETR, DELE with QUIT"
OPERATIONS = (
    Operation(f"IMAP list {LISTED} emails", "imap.list", _list, 2, "SORT, FETCH", 3, 3, 100_000),
    Operation("IMAP search", "imap.search", _search, 2, "SEARCH, FETCH", 3, 3, 1_500),
    Operation("IMAP read", "imap.read", _by_id, 2, "SEARCH, FETCH", 3, 3, 2_000),
    Operation("IMAP move", "imap.move", _move, 2, "SEARCH, MOVE", 3, 3, 1_500),
    Operation("IMAP delete", "imap.delete", _by_id, 3, "SEARCH, STORE, EXPUNGE", 4, 4, 1_500),
    Operation("SMTP send", "smtp.send", lambda *_: send_to(1), 2, "envelope, email", 4, 2, 1_000),
    Operation(
        "SMTP send to 10 people", "smtp.send", lambda *_: send_to(10), 2, "envelope, email", 13, 2, 2_000
    ),
    Operation(f"POP3 list {POP3_EMAILS} emails", "pop3.list", _list_pop3, 5, _LIST_POP3, 7, 7, 2_500),
    Operation("POP3 read", "pop3.read", _read_pop3, 6, _READ_POP3, 9, 10, 2_500),
)
