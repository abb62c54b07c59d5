"""One IMAP session, by imap_tools and imaplib, from greeting to LOGOUT. It blocks: use it in a thread."""

from __future__ import annotations

import imaplib
import socket
import ssl
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from imap_tools.errors import UnexpectedCommandStatusError

from worker.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    MailServerError,
    ProtocolViolation,
    ServerUnavailable,
    TlsFailed,
)
from worker.mail.account import Account, Encryption
from worker.mail.command_trace import traced_step
from worker.mail.connection import BoundedConnection
from worker.mail.imap.client import ConnectedMailBox, ImapClient, StatusLines
from worker.mail.imap.errors import reason_of, refusal
from worker.mail.imap.limits import ANY_REPLY, MOST_MESSAGES, ImapLimits
from worker.mail.imap.replies import Piece, Reply, read_numbers
from worker.mail.imap.sign_in import sign_in
from worker.mail.timeouts import Timeouts

# To create a folder that is there already does no harm, so that is not among them.
_CHANGING = frozenset({"STORE", "EXPUNGE", "MOVE", "COPY"})
# These may take longer the more there is in a folder.
_LONG = frozenset({"SEARCH", "SORT", "FETCH", "MOVE", "COPY", "LIST"})
_LATE_MESSAGES = 1000
_IDENTITY = '("name" "camunda-email-worker")'


class ImapSession:
    """A session from greeting to LOGOUT. Every method raises a MailServerError if it fails.

    After an error other than a refusal `is_usable` is false. `has_changed`: a command that changes
    messages has been sent since `begin`. `is_current`: the folder has been looked at again since then.
    `exists`: how many messages the selected folder has, or more if some were removed meanwhile.
    Only `cut` may be called from another thread.
    """

    box: ConnectedMailBox
    client: ImapClient

    def __init__(
        self, account: Account, connection: socket.socket, timeouts: Timeouts, limits: ImapLimits
    ) -> None:
        self.server = account.server
        self.is_usable = True
        self.has_changed = False
        self.is_current = False
        self.exists = 0
        self.capabilities: frozenset[str] = frozenset()
        self.limits = limits
        self._account = account
        self._timeouts = timeouts
        self._lines = StatusLines()
        self._is_open = False
        self._connection = BoundedConnection(account.server, connection)

    def open(self, tls_context: ssl.SSLContext) -> None:
        """Take the greeting, encrypt as the account asks, sign in, and learn what the server can do."""
        timeouts = self._timeouts
        if self._account.encryption is Encryption.IMPLICIT:
            with self._step("tls", "begin TLS", timeouts.tls_seconds):
                self._connection.start_tls(tls_context, self._account.host)
        with self._step("greeting", "begin a session", timeouts.greeting_seconds):
            self.client = ImapClient(
                self._connection, self._lines, self._account.host, self.limits.max_message_bytes
            )
        self.box = ConnectedMailBox(self.client)
        if self._account.encryption is Encryption.STARTTLS:
            self._start_tls(tls_context)
        if self.client.state != "AUTH":  # PREAUTH: somebody else has signed in for us
            self._sign_in()
        # Many announce MOVE, SORT and UIDPLUS only now, some of them in the reply.
        told = self.told("CAPABILITY")
        doing = "say what it can do"
        pieces = told or self.command("CAPABILITY", doing, self.client.capability).pieces
        words = b" ".join(piece for piece in pieces[-1:] if isinstance(piece, bytes))
        self.capabilities = frozenset(words.decode("latin-1").upper().split())
        if self.can("ID"):  # without it some providers refuse every SELECT
            self.attempt("ID", "say who it is", self.client.xatom, "ID", _IDENTITY)
        self._is_open = True

    def begin(self) -> None:
        """Begin an operation."""
        self.has_changed = self.is_current = False

    def can(self, capability: str) -> bool:
        """Tell whether the server announces it."""
        return capability in self.capabilities

    def uid(self, doing: str, verb: str, *arguments: str | bytes, octets: int = 0) -> Reply:
        """Send a UID command and return the reply, which is OK: see `command`."""
        return self._required(self.attempt_uid(doing, verb, *arguments, octets=octets), doing)

    def attempt_uid(self, doing: str, verb: str, *arguments: str | bytes, octets: int = 0) -> Reply:
        """Send a UID command and return the reply, refusals too."""
        self.has_changed = self.has_changed or verb in _CHANGING
        return self.attempt(f"UID {verb}", doing, self.client.uid, verb, *arguments, octets=octets)

    def command(
        self, verb: str, doing: str, method: Callable[..., Any], *arguments: Any, octets: int = 0
    ) -> Reply:
        """Send a command and return the reply, which is OK; a refusal is raised as what its code means.

        `method`, with its arguments, is the one of imaplib or imap_tools that sends it. `octets`: how many
        the answer may have besides what any may have.
        """
        return self._required(self.attempt(verb, doing, method, *arguments, octets=octets), doing)

    def attempt(
        self, verb: str, doing: str, method: Callable[..., Any], *arguments: Any, octets: int = 0
    ) -> Reply:
        """Send a command and return the reply, refusals too."""
        self.take_news()
        is_long = verb.removeprefix("UID ") in _LONG
        seconds = self._timeouts.transfer_seconds if is_long else self._timeouts.command_seconds
        with self._step(verb, doing, seconds, octets):
            try:
                _, data = method(*arguments)
            except (UnexpectedCommandStatusError, imaplib.IMAP4.readonly):
                data = []
            except imaplib.IMAP4.error:
                if self._lines.last.status != "BAD":
                    raise
                data = []
        status = self._lines.last
        return Reply(status.status, status.text, data)

    def told(self, name: str) -> list[bytes]:
        """Return what the last command has told by this name besides its answer, such as COPYUID."""
        # imaplib ends a response code at the last `]` of the line, the protocol at the first.
        return [line.partition(b"]")[0] for line in self.lines(name) if isinstance(line, bytes) and line]

    def lines(self, name: str) -> list[Piece]:
        """Return the data lines of this name that came with the last command, as imaplib hands them over."""
        return [piece for piece in self.client.response(name)[1] if piece is not None]

    @property
    def most_hits(self) -> int:
        """How many messages a search can find at most; some servers are late to tell of new ones."""
        return min(self.exists + _LATE_MESSAGES, MOST_MESSAGES)

    def hits(self, reply: Reply, doing: str) -> array[int]:
        """Return the UIDs that SEARCH or SORT has found; a refusal is raised as what its code means."""
        with self.understood(doing):
            return read_numbers(self._required(reply, doing).pieces, self.most_hits)

    @contextmanager
    def understood(self, doing: str) -> Iterator[None]:
        """Turn what a reader of replies raises into ProtocolViolation."""
        try:
            yield
        except (ValueError, OverflowError) as error:
            reason = reason_of(Reply("", str(error)))
            raise ProtocolViolation(
                f"{self.server} gives an answer that cannot be right when asked to {doing} ({reason}).",
                server=self.server,
            ) from error

    def ensure_current(self) -> None:
        """Have the server look for what others have changed in the selected folder, once since `begin`.

        Dovecot for one does not look before it searches (RFC 9051, 5.2 lets it).
        """
        if not self.is_current:
            self.command("NOOP", "look for new mail", self.client.noop)
            self.take_news()
            self.is_current = True

    def take_news(self) -> None:
        """Take what the server has told of the folder's size, and forget the rest, which imaplib keeps."""
        counts = self.told("EXISTS")
        # Which of these came last is not to be known: the number is never too low.
        gone = 0 if counts else len(self.told("EXPUNGE"))
        with self.understood("tell how many messages there are"):
            self.exists = int(counts[-1]) if counts else max(0, self.exists - gone)
        self.client.untagged_responses.clear()

    def logout(self, within_seconds: float) -> None:
        """Sign off."""
        self.is_usable = False
        with self._step("LOGOUT", "sign off", within_seconds):
            self.client.logout()

    def cut(self) -> None:
        """End the connection immediately; a thread at work here gets an error. Never raises."""
        self.is_usable = False
        self._connection.cut()

    def close(self) -> None:
        """Give back the descriptors, when no thread is at work here any more."""
        self.cut()
        self._connection.close()

    def _required(self, reply: Reply, doing: str) -> Reply:
        if not reply.is_ok:
            raise refusal(self.server, reply, doing)
        return reply

    def _start_tls(self, tls_context: ssl.SSLContext) -> None:
        """Encrypt, which must succeed."""
        with self._step("STARTTLS", "begin TLS", self._timeouts.tls_seconds):
            try:
                if self.client.state == "NONAUTH" and "STARTTLS" in self.client.capabilities:
                    self.client.starttls(tls_context)
                    return
            except imaplib.IMAP4.error:
                if self._lines.last.status not in {"NO", "BAD"}:
                    raise
        raise TlsFailed(
            f"{self.server} does not offer STARTTLS, so the connection cannot be encrypted; use its TLS"
            " port.",
            server=self.server,
        )

    def _sign_in(self) -> None:
        with self._step("LOGIN", "sign in", self._timeouts.login_seconds):
            try:
                sign_in(self.box, self.client, self._account)
            except (UnexpectedCommandStatusError, imaplib.IMAP4.error) as error:
                status = self._lines.last
                if isinstance(error, imaplib.IMAP4.abort) or status.status not in {"NO", "BAD"}:
                    raise
                raise refusal(self.server, status, "sign in", AuthenticationFailed) from error
            status = self._lines.last
            if not status.is_ok:
                raise refusal(self.server, status, "sign in", AuthenticationFailed)
        self.client.state = "AUTH"

    @contextmanager
    def _step(self, name: str, doing: str, seconds: float, octets: int = 0) -> Iterator[None]:
        """Bound a step and turn what imaplib and the socket raise into our errors."""
        note = noted if name.isupper() else traced_step
        self._connection.allow(doing, seconds, octets + ANY_REPLY)
        self._lines.last = Reply("", "")
        try:
            with note(self._account.protocol, self.server, name):
                yield
        except MailServerError as error:
            self.is_usable = False
            if isinstance(error, ConnectionFailed) and self._lines.goodbye is not None:
                raise self._ended(self._lines.goodbye, doing) from error
            raise
        except (imaplib.IMAP4.error, OSError, ValueError) as error:
            self.is_usable = False
            raise self._failure(error, doing) from error

    def _failure(self, error: Exception, doing: str) -> MailServerError:
        if self._lines.goodbye is not None:
            return self._ended(self._lines.goodbye, doing)
        if isinstance(error, OSError):
            return self._connection.failure(error)
        said = f" ({reason_of(Reply('', str(error)))})" if self._is_open else "; check host and port"
        text = f"{self.server} does not answer as an IMAP server when asked to {doing}{said}."
        return ProtocolViolation(text, server=self.server)

    def _ended(self, goodbye: Reply, doing: str) -> MailServerError:
        if not self._is_open:
            return refusal(self.server, goodbye, doing, ServerUnavailable)
        text = f"{self.server} closed the connection ({reason_of(goodbye)}) when asked to {doing}."
        return ConnectionFailed(text, server=self.server)
