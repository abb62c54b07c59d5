"""One IMAP session, by imap_tools and imaplib, from greeting to LOGOUT. It blocks: use it in a thread."""

from __future__ import annotations

import asyncio
import imaplib
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from imap_tools import UnexpectedCommandStatusError

from worker.errors import AuthenticationFailed, MailServerError, ServerRefused, TlsFailed
from worker.mail.account import Account, Encryption
from worker.mail.command_trace import traced, traced_step
from worker.mail.imap.client import ConnectedMailBox, ImapClient
from worker.mail.imap.errors import CHANGING, failure, refusal
from worker.mail.imap.limits import ANY_REPLY, MOST_MESSAGES, ImapLimits
from worker.mail.imap.replies import Reply, UnreadableReply, format_set, read_number
from worker.mail.imap.sign_in import sign_in
from worker.mail.refusals import reason_of
from worker.mail.sasl import token_refusal
from worker.mail.threads import BlockingSession
from worker.mail.timeouts import Timeouts

# These may take longer the more there is in a folder.
_LONG = frozenset({"UID SEARCH", "UID SORT", "UID FETCH", "UID MOVE", "UID COPY", "LIST", "APPEND"})
_LATE_MESSAGES = 1000
_LOGOUT_SECONDS = 2.0
_TELLING_COPY_UID = (b"Cyrus", b"Dovecot")
_IDENTITY = '("name" "camunda-email-worker")'

T = TypeVar("T")


class ImapSession(BlockingSession):
    """A session from greeting to LOGOUT. Every method raises a MailServerError if it fails.

    `purpose`: what the operation does, as in "refused to read the message"; `may_change`: called right before
    each command that changes something; raises if the job may be another worker's by now.
    `may_repeat`: no command that changes messages has been sent since `begin`. `is_current`: the folder has
    been looked at again since then.
    `takes_partial`: the server gives parts of a section (RFC 9051, 6.4.5), as far as is known.
    `tells_copy_uid`: the server has told by COPYUID what it has moved; if it does not, it has moved nothing.
    `exists`: how many messages the selected folder has, or more if some were removed meanwhile.
    """

    box: ConnectedMailBox
    client: ImapClient

    def __init__(
        self, account: Account, connection: socket.socket, timeouts: Timeouts, limits: ImapLimits
    ) -> None:
        super().__init__(account.server, connection)
        self.account = account
        self.limits = limits
        self.takes_partial = True
        self.tells_copy_uid = self._is_open = False
        self.exists = 0
        self.capabilities: frozenset[str] = frozenset()
        self._timeouts = timeouts
        self._last = Reply("", "")
        self._goodbye: Reply | None = None
        self.begin()

    def open(self, tls_context: ssl.SSLContext) -> None:
        """Take the greeting, encrypt as the account asks, sign in, and ask what the server can do."""
        host, timeouts = self.account.host, self._timeouts
        if self.account.encryption is Encryption.IMPLICIT:
            with self._step("tls", "begin TLS", timeouts.tls_seconds):
                self.connection.start_tls(tls_context, host)
        with self._step("greeting", "begin a session", timeouts.greeting_seconds):
            limit = self.limits.max_message_bytes
            self.client = ImapClient(self.connection, self._note_end, self._before_end, host, limit)
            self._note_capability()
        self.box = ConnectedMailBox(self.client)
        if self.account.encryption is Encryption.STARTTLS:
            self._start_tls(tls_context)
        if self.client.state != "AUTH":  # PREAUTH: the connection is already signed in
            self._sign_in()
        # Many announce MOVE, SORT and UIDPLUS only now, some of them in the reply.
        told = self.told("CAPABILITY")
        if not told:
            reply = self.attempt("CAPABILITY", self.client.capability, doing="say what it can do")
            told = [piece for piece in reply.data if isinstance(piece, bytes)]
        self.capabilities = frozenset(b" ".join(told[-1:]).decode("latin-1").upper().split())
        # 163.com and others refuse every SELECT without it.
        if "ID" in self.capabilities or "ID" in self.client.capabilities:
            self.attempt("ID", self.client.xatom, "ID", _IDENTITY, doing="say who it is")
            identity = b" ".join(self.told("ID"))
            self.tells_copy_uid = any(name in identity for name in _TELLING_COPY_UID)
        self._is_open = True

    def begin(self) -> None:
        """Begin an operation."""
        self.purpose = "begin a session"
        self.may_repeat, self.is_current = True, False
        self.may_change: Callable[[], None] = lambda: None

    def attempt(
        self,
        verb: str,
        method: Callable[..., Any],
        *arguments: Any,
        octets: int = 0,
        doing: str | None = None,
        seconds: float | None = None,
    ) -> Reply:
        """Send a command by a method of imaplib or imap_tools, and return the reply, refusals too.

        `octets`: how many the answer may have besides what any answer may have. `doing`: default: `purpose`.
        `seconds`: default: what such a command may take.
        """
        self._before_command(verb)
        self.take_news()
        data: list[Any] = []
        doing = doing or self.purpose
        usual = self._timeouts.transfer_seconds if verb in _LONG else self._timeouts.command_seconds
        with self._step(verb, doing, seconds or usual, octets):
            try:
                _, data = method(*arguments)
            except (UnexpectedCommandStatusError, imaplib.IMAP4.readonly):
                pass  # the line that ended the command says so
            except imaplib.IMAP4.error:
                if self._last.status not in {"NO", "BAD"}:
                    raise
        data = [each for each in data if each is not None] if self._last.is_ok else []
        return replace(self._last, data=data, command=verb, doing=doing)

    def attempt_uid(self, verb: str, *arguments: str | bytes, octets: int = 0) -> Reply:
        """Send a UID command and return the reply, refusals too."""
        return self.attempt(f"UID {verb}", self.client.uid, verb, *arguments, octets=octets)

    def store(self, uids: Iterable[int], sign: str, flags: Iterable[str]) -> None:
        """Set (`+`) or clear (`-`) flags of messages, if there are any."""
        uid_set, names = format_set(uids), " ".join(flags)
        if uid_set and names:
            self.require(self.attempt_uid("STORE", uid_set, f"{sign}FLAGS.SILENT", f"({names})"))

    def require(self, reply: Reply) -> Reply:
        """Return a reply that is OK, for all that was asked; a refusal is raised as what its code means."""
        if not reply.is_whole:
            raise self.refusal(reply)
        return reply

    def refusal(self, reply: Reply, otherwise: type[MailServerError] = ServerRefused) -> MailServerError:
        """Return the error for a refusal; `otherwise`: what it means without a reason."""
        return refusal(self.server, reply, otherwise)

    def told(self, name: str) -> list[bytes]:
        """Return what the last command has told by this name besides its answer, such as COPYUID."""
        lines = self.client.response(name)[1]
        # imaplib ends a response code at the last `]` of the line, the protocol at the first.
        return [line.partition(b"]")[0] for line in lines if isinstance(line, bytes) and line]

    @property
    def most_hits(self) -> int:
        """How many messages a search can find at most; some servers are late to tell of new ones."""
        return min(self.exists + _LATE_MESSAGES, MOST_MESSAGES)

    def ensure_current(self) -> None:
        """Have the server look for what others have changed in the selected folder, once since `begin`.

        Dovecot for one does not look before it searches (RFC 9051, 5.2 lets it).
        """
        if not self.is_current:
            self.look_again()

    def look_again(self) -> None:
        """Have the server look for what others have changed in the selected folder."""
        self.require(self.attempt("NOOP", self.client.noop, doing="look for new emails"))
        self.take_news()
        self.is_current = True

    def take_news(self) -> bool:
        """Take what the server has told of the folder's size, and forget the rest, which imaplib keeps.

        Return whether it has told that the folder has fewer messages.
        """
        before, counts, gone = self.exists, self.told("EXISTS"), len(self.told("EXPUNGE"))
        # Which of these came last is not known: the number is never too low.
        self.exists = read_number(counts[-1]) if counts else max(0, before - gone)
        self.client.untagged_responses.clear()
        return self.exists < before

    async def run(self, step: Callable[[], T], within_seconds: float) -> T:
        """Run a step in a thread; what it cannot read of a reply is a ProtocolViolation."""

        def read() -> T:
            try:
                return step()
            except UnreadableReply as error:
                self.is_in_step = False
                raise failure(self.server, error, self.connection.doing) from error

        return await super().run(read, within_seconds)

    async def close(self) -> None:
        """Sign off within two seconds. Never raises."""
        sign_off = partial(self.attempt, "LOGOUT", self.client.logout, doing="sign off")
        with suppress(MailServerError, asyncio.CancelledError):
            await self.run(sign_off, _LOGOUT_SECONDS)
        self.abort()

    def _start_tls(self, tls_context: ssl.SSLContext) -> None:
        """Encrypt, which must succeed."""
        fault, seconds = "does not offer STARTTLS", self._timeouts.tls_seconds
        if self.client.state == "NONAUTH" and "STARTTLS" in self.client.capabilities:
            reply = self.attempt(
                "STARTTLS", self.client.starttls, tls_context, doing="begin TLS", seconds=seconds
            )
            if reply.is_ok:
                self._note_capability()
                return
            fault = f"refuses STARTTLS ({reason_of(reply.text)})"
        raise TlsFailed(
            f"{self.server} {fault}, so the connection cannot be encrypted; use its TLS port.",
            server=self.server,
        )

    def _sign_in(self) -> None:
        verb = "LOGIN" if self.account.token is None else "AUTHENTICATE"
        limit = self._timeouts.login_seconds
        reply = self.attempt(verb, sign_in, self.box, self.account, doing="sign in", seconds=limit)
        if not reply.is_ok:
            error = self.refusal(reply, AuthenticationFailed)
            if self.account.token is not None and not error.is_retryable:
                error = token_refusal(self.server, reason_of(reply.text), self.client.last_challenge)
            raise error
        self.client.state = "AUTH"

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """Restore what this operation has changed: that is done even if another worker may have the job."""
        checked, self.may_change = self.may_change, lambda: None
        try:
            yield
        finally:
            self.may_change = checked

    def _before_command(self, verb: str) -> None:
        if verb in CHANGING:
            self.may_change()
            # To create a folder that is there already does no harm.
            self.may_repeat = self.may_repeat and verb == "CREATE"

    def _before_end(self) -> None:
        """Check once more before the end of a command that had to wait for the server within it."""
        try:
            self._before_command(self.doing)
        except BaseException:
            self.cut()  # the only way to cancel an unfinished command
            raise

    def _note_end(self, reply: Reply) -> None:
        self._last = reply
        if reply.status == "BYE":
            self._goodbye = reply

    def _note_capability(self) -> None:
        """Note the command that imaplib sends after the greeting and after STARTTLS, within their steps."""
        traced(self.account.protocol, self.server, "CAPABILITY")

    @contextmanager
    def _step(self, name: str, doing: str, seconds: float, octets: int = 0) -> Iterator[None]:
        """Limit a step, and turn exceptions of imaplib and the socket into the worker's errors."""
        self.doing = name
        note = traced if name.isupper() else traced_step
        self.connection.allow(doing, seconds, octets + ANY_REPLY)
        self._last = Reply("", "")
        try:
            with note(self.account.protocol, self.server, name):
                yield
        except (MailServerError, imaplib.IMAP4.error, OSError, ValueError) as error:
            self.is_in_step = False
            if isinstance(error, OSError):
                error = self.connection.failure(error)
            raise failure(self.server, error, doing, goodbye=self._goodbye, is_open=self._is_open) from error
