"""imaplib's client on a bounded connection; only what its documentation offers for that is overridden."""

from __future__ import annotations

import imaplib
from collections.abc import Callable
from types import MethodType
from typing import Any

from imap_tools import BaseMailBox

from worker.errors import ResultTooLarge
from worker.mail.connection import BoundedConnection
from worker.mail.imap.replies import Reply, tolerated

# In octets: what the shortest line takes in memory, and in time, since imaplib collects lines.
_LINE_COST = 64


class ImapClient(imaplib.IMAP4):
    """Takes the greeting and asks for the capabilities when it is made.

    `note_end` takes each line that ends a command or the session. `before_end` is called before the line
    end that follows a literal. `host`: what the certificate must be for, if TLS begins by STARTTLS.
    """

    def __init__(
        self,
        connection: BoundedConnection,
        note_end: Callable[[Reply], None],
        before_end: Callable[[], None],
        host: str,
        max_message_bytes: int,
    ) -> None:
        self._note_end = note_end
        self._before_end = before_end
        self._bounded = connection
        self._max_message_bytes = max_message_bytes
        self._is_behind_literal = False
        super().__init__(host)

    @property
    def last_challenge(self) -> bytes:
        """What the server has said last to have a command go on."""
        # imaplib begins with text, and has None for a lone `+`.
        said: str | bytes | None = self.continuation_response
        return said if isinstance(said, bytes) else b""

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:  # noqa: ARG002
        """Take the connection that is there already."""
        self.host, self.port, self.sock = host, port, self._bounded.socket

    def read(self, size: int) -> bytes:
        """Read a literal."""
        limit = self._max_message_bytes
        if size > limit:
            server = self._bounded.server
            text = f"The message at {server} has {size} bytes, and at most {limit} are read."
            raise ResultTooLarge(text, bytes=size, limit=limit)
        self._is_behind_literal = True
        return self._bounded.read(size)

    def readline(self) -> bytes:
        """Read a line, and return it as imaplib can take it."""
        self._bounded.use(self.socket())
        is_behind_literal, self._is_behind_literal = self._is_behind_literal, False
        line = b""
        # A blank line means nothing, unless it ends the reply that the literal was in.
        while not line.strip():
            line = self._bounded.readline()
            self._bounded.octets -= _LINE_COST
            if is_behind_literal and self._bounded.peek() not in b" )":
                break
        if is_behind_literal:
            return line.rstrip(b"\r\n") + b"\r\n"
        if line.startswith(b"+OK") and not hasattr(self, "welcome"):  # of POP3, which imaplib would not show
            raise self.error(f"unexpected response: {line.rstrip()!r}")
        line, end = tolerated(line)
        if end:
            self._note_end(end)
        return line

    def send(self, data: Any) -> None:
        """Send octets; imaplib sends a line end alone only behind a literal."""
        if data == b"\r\n":
            self._before_end()
        self._bounded.use(self.socket())
        self._bounded.sendall(data)

    def shutdown(self) -> None:
        """End the connection."""
        self._bounded.cut()

    def send_literals(self, *literals: bytes) -> None:
        """Have the next command go on with these, each when the server asks for it.

        imaplib asks a method for them, as it does for its own answers to the challenges of AUTHENTICATE.
        """
        # Asked for more than there is: a lone asterisk ends the exchange.
        ask = MethodType(lambda rest, _challenge: next(rest, b"*"), iter(literals))
        self.literal = ask  # type: ignore[assignment]  # typeshed leaves methods out


class ConnectedMailBox(BaseMailBox):
    """imap_tools' mailbox on a client that is connected already."""

    def __init__(self, client: ImapClient) -> None:
        # Not BaseMailBox's own, which makes a client that connects by itself.
        self.client = client
        self.folder = self.folder_manager_class(self)
