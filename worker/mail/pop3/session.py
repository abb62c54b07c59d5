"""One POP3 session on poplib (RFC 1939, 2449, 2595, 5034). Its methods block and belong in a thread."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import poplib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from worker.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    MailServerError,
    ProtocolViolation,
    ResultTooLarge,
    ServerRefused,
    ServerTimeout,
    ServerUnavailable,
    TlsFailed,
)
from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.command_trace import trace_commands, traced, traced_step
from worker.mail.pop3.connection import PlainConnection, TlsConnection, TlsContext
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.replies import (
    is_positive,
    read_capabilities,
    read_sizes,
    read_uids,
    refusal,
    wants_sasl,
)
from worker.mail.timeouts import Timeouts

_WANTED_AFTER_SIGN_IN = frozenset({"PIPELINING", "TOP", "UIDL"})
# RFC 1939 allows 512 octets for the line that says yes or no; poplib is as patient as this.
_LONGEST_REPLY = 2048
# Of a longer line in a reply of several, this much is read at once.
_LONGEST_PIECE = 64 * 1024
_FINAL_DOT = (b".\r\n", b".\n")
# As poplib says it.
_END_OF_STREAM, _TOO_LONG = "-ERR EOF", "line too long"

T = TypeVar("T")


class Pop3Session:
    """A session from the connection to QUIT. Every method raises a MailServerError if it fails.

    Message numbers are valid within the session alone. Only `cut` may be called from another thread.
    `doing`: the command at hand. `thread`: the last step that was started in a thread, done or not.
    """

    def __init__(self, account: Account, timeouts: Timeouts, limits: Pop3Limits) -> None:
        self.server = account.server
        self.doing = "the connection"
        self.thread: asyncio.Future[Any] | None = None
        self._account = account
        self._timeouts = timeouts
        self._limits = limits
        kind = TlsConnection if account.encryption is Encryption.IMPLICIT else PlainConnection
        self._pop = kind(account, timeouts)
        self._is_in_step = True
        self._allowed_bytes = limits.max_sign_in_bytes
        self._capabilities: Mapping[str, Sequence[str]] | None = None
        self._has_top: bool | None = None

    @property
    def is_usable(self) -> bool:
        """Whether the next command may be sent: connected, and in step with the server."""
        return self._is_in_step and not self._pop.is_cut

    def open(self, tls_context: ssl.SSLContext) -> None:
        """Connect, encrypt as the account asks, and sign in. Locks the mailbox."""
        self._connect(tls_context)
        self._pop.wait(self._timeouts.login_seconds)
        self._capabilities = self._ask_capabilities()
        if self._account.encryption is Encryption.STARTTLS:
            self._encrypt(tls_context)
        self._sign_in()
        if not self._capabilities or not self._capabilities.keys() >= _WANTED_AFTER_SIGN_IN:
            # RFC 2449, section 5: some are announced only after the sign-in.
            self._capabilities = self._ask_capabilities() or self._capabilities
        self._has_top = None if self._capabilities is None else "TOP" in self._capabilities
        self._allowed_bytes = self._limits.max_operation_bytes
        self._pop.wait(self._timeouts.command_seconds)

    def look(self) -> tuple[Mapping[int, str], Mapping[int, int]]:
        """Return unique ids (UIDL) and octets (LIST), each by message number; no ids if there are none."""
        uids: Mapping[int, str] = {}
        if self._may_offer("UIDL"):
            with suppress(ServerRefused):
                uids = self.uids()
        try:
            return uids, self._ask_listing("LIST", read_sizes)
        except ServerRefused:
            if self._count_messages() > 0:
                raise
            return {}, {}  # some servers refuse to list nothing

    def uids(self) -> dict[int, str]:
        """Return the unique id of each message by its number (UIDL)."""
        return self._ask_listing("UIDL", read_uids)

    def uid_at(self, number: int) -> str | None:
        """Return the unique id of the message that now has this number; None if the server has none.

        The whole listing decides if the server answers for a single message in a way of its own.
        """
        if not self._may_offer("UIDL"):
            return None
        try:
            reply = self._ask(f"UIDL {number}")
        except ServerRefused:
            return None
        if not reply:
            self._skip_lines()
        with suppress(ValueError):
            if uid := read_uids(reply).get(number):
                return uid
        return self.uids().get(number)

    def headers(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yield each number with its header section, without messages that are gone. Exhaust it.

        Several TOP commands are sent ahead of their replies if the server announces that it takes them: ten
        thousand headers at 5 ms away take 2 seconds instead of 61. Without TOP, or if that is refused, whole
        messages pass by, of which only the beginning is kept.
        """
        takes_several = self._capabilities is not None and "PIPELINING" in self._capabilities
        window = self._limits.top_window if takes_several else 1
        for start in range(0, len(numbers), window):
            batch = numbers[start : start + window]
            refused = set(batch)
            if self._has_top is not False:
                for number, block in self._top(batch):
                    refused.remove(number)
                    yield number, block
                self._has_top = self._has_top or len(refused) < len(batch)
            yield from self.messages(sorted(refused), self._limits.max_header_bytes)

    def messages(self, numbers: Sequence[int], keep_bytes: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield each number with its whole message (RETR), or the first `keep_bytes` or so of it.

        Messages that are gone are left out. One at a time is in memory, if the caller keeps none.
        """
        for number in numbers:
            try:
                block = self._ask_lines(f"RETR {number}", self._limits.max_message_bytes, keep_bytes)
            except ServerRefused:
                if self._has(number):
                    raise
            else:
                yield number, block

    def mark_deleted(self, number: int) -> None:
        """Mark a message: it goes when the server takes QUIT, and should not before (DELE)."""
        self._say(f"DELE {number}", lambda: self._pop.dele(number))

    def unmark_all(self) -> None:
        """Take the marks back (RSET)."""
        self._say("RSET", self._pop.rset)

    def quit(self) -> None:
        """Delete what is marked and end the session; return when the server says that it has."""
        self._say("QUIT", self._pop.quit)
        self._is_in_step = False

    def cut(self) -> None:
        """End the connection without QUIT, so that nothing is deleted (RFC 1939, section 6). Never raises."""
        self._pop.cut()

    def close(self) -> None:
        """Give back the descriptor, when no thread is at work here any more. Never raises."""
        self._pop.close()

    def _connect(self, tls_context: ssl.SSLContext) -> None:
        is_tls = self._account.encryption is Encryption.IMPLICIT
        with (
            traced_step(MailProtocol.POP3, self.server, "connect"),
            self._step("the start of a session", ServerUnavailable),
        ):
            try:
                self._pop.open(**({"context": TlsContext(self._pop, tls_context)} if is_tls else {}))
            except (OSError, UnicodeError) as error:
                if self._pop.sock is None and not isinstance(error, TimeoutError):
                    raise self._unreachable(error) from error
                raise
            self._accept(self._pop.welcome)

    def _unreachable(self, error: Exception) -> ConnectionFailed:
        if isinstance(error, socket.gaierror | UnicodeError):  # UnicodeError: what DNS cannot hold
            text = f"Cannot resolve the host {self._account.host}; check its name."
        else:
            reason = os.strerror(getattr(error, "errno", None) or 0).lower()
            text = f"No connection to {self.server} ({reason}); check host and port."
        return ConnectionFailed(text, server=self.server)

    def _encrypt(self, tls_context: ssl.SSLContext) -> None:
        """Encrypt by STLS (RFC 2595), which must succeed; what came before, anybody may have sent.

        Not by poplib's `stls`, which collects the capabilities without a bound.
        """
        pop, server = self._pop, self.server
        refused = f"{server} does not offer STLS, which would encrypt the connection; use its TLS port."
        if not self._may_offer("STLS"):
            raise TlsFailed(refused, server=server)
        try:
            self._ask("STLS")
        except ServerRefused as error:
            raise TlsFailed(refused, server=server) from error
        with traced_step(MailProtocol.POP3, server, "tls"), self._step("the TLS handshake"):
            pop.sock = TlsContext(pop, tls_context).wrap_socket(pop.sock, server_hostname=self._account.host)
            pop.file = pop.sock.makefile("rb")
        pop.wait(self._timeouts.login_seconds)
        self._capabilities = self._ask_capabilities()

    def _sign_in(self) -> None:
        username, password = self._account.username or "", self._account.password or ""
        if wants_sasl(self._capabilities, username, password):
            self._authenticate("PLAIN", f"\0{username}\0{password}")
        else:
            self._give_credentials("USER", lambda: self._pop.user(username))
            self._give_credentials("PASS", lambda: self._pop.pass_(password))

    def _authenticate(self, mechanism: str, response: str) -> None:
        """Sign in by SASL, which poplib lacks.

        Not with an initial response: a line has 255 octets at most (RFC 5034, section 4).
        """
        encoded = base64.b64encode(response.encode()).decode()
        self._give_credentials("AUTH", lambda: self._exchange(f"AUTH {mechanism}"), b"+")
        self._give_credentials("SASL", lambda: self._exchange(encoded))

    def _give_credentials(self, name: str, talk: Callable[[], bytes], go_on: bytes | None = None) -> None:
        """Give a command of which no more than its name gets into errors and traces."""
        with traced(MailProtocol.POP3, self.server, name), self._step("the sign-in", AuthenticationFailed):
            reply = talk()
            if reply.strip() != go_on:
                self._accept(reply)

    def _ask_capabilities(self) -> Mapping[str, Sequence[str]] | None:
        """Not by poplib's `capa`, which takes a broken connection for a server without capabilities."""
        with suppress(ServerRefused):
            return read_capabilities(self._ask_lines("CAPA", self._limits.max_sign_in_bytes))
        return None

    def _may_offer(self, capability: str) -> bool:
        return self._capabilities is None or capability in self._capabilities

    def _ask_listing(self, command: str, read: Callable[[bytes], dict[int, T]]) -> dict[int, T]:
        limit = self._limits.max_messages
        block = self._ask_lines(command, self._limits.max_listing_bytes)
        if block.count(b"\n") > limit:
            raise ResultTooLarge(
                f"The mailbox at {self.server} has more than {limit} messages; remove some.", limit=limit
            )
        with self._step(command):
            return read(block)

    def _count_messages(self) -> int:
        """Return how many messages there are (STAT); some, if the server does not tell."""
        with suppress(ServerRefused), traced(MailProtocol.POP3, self.server, "STAT"), self._step("STAT"):
            return self._pop.stat()[0]
        return 1

    def _top(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Send one TOP for each number, all of them at once, and yield what is not refused. Exhaust it."""
        lines = [f"TOP {number} 0" for number in numbers]
        round_trip = trace_commands(MailProtocol.POP3, self.server, lines)
        try:
            with self._step("TOP"):
                self._send(*lines)
            for number, line in zip(numbers, lines, strict=True):
                with suppress(ServerRefused):
                    with self._step(line):
                        block = self._read_block(
                            self._limits.max_header_bytes, self._limits.max_message_bytes
                        )
                    yield number, block
        finally:
            round_trip.answered()

    def _has(self, number: int) -> bool:
        """Tell whether there is a message of this number, or none any more."""
        with suppress(ServerRefused):
            return bool(self._ask(f"LIST {number}"))
        return False

    def _skip_lines(self) -> None:
        """Pass over what may follow a reply of one line, up to the reply to NOOP."""
        with traced(MailProtocol.POP3, self.server, "NOOP"), self._step("NOOP"):
            self._send("NOOP")
            while not is_positive(self._read_line()):
                pass

    def _say(self, line: str, talk: Callable[[], bytes]) -> bytes:
        """Give a command with a reply of one line, and return that without its `+OK`."""
        with traced(MailProtocol.POP3, self.server, line), self._step(line):
            return self._accept(talk())

    def _ask(self, line: str) -> bytes:
        """Give a command whose reply of one line poplib has no method for."""
        return self._say(line, lambda: self._exchange(line))

    def _ask_lines(self, line: str, max_bytes: int, keep_bytes: int | None = None) -> bytes:
        """Give a command with a reply of several lines; return these, or the first `keep_bytes` or so."""
        with traced(MailProtocol.POP3, self.server, line), self._step(line):
            self._send(line)
            return self._read_block(max_bytes if keep_bytes is None else keep_bytes, max_bytes)

    def _exchange(self, line: str) -> bytes:
        self._send(line)
        return self._read_line()

    def _send(self, *lines: str) -> None:
        self._pop.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def _read_piece(self, limit: int) -> bytes:
        """Read a line, or as much of it as `limit` says, within what the server may still send."""
        piece: bytes = self._pop.file.readline(limit)
        if not piece:
            raise poplib.error_proto(_END_OF_STREAM)
        self._allowed_bytes -= len(piece)
        if self._allowed_bytes < 0:
            raise poplib.error_proto(_TOO_LONG)
        return piece

    def _read_line(self) -> bytes:
        line = self._read_piece(_LONGEST_REPLY + 1)
        if len(line) > _LONGEST_REPLY:
            raise poplib.error_proto(_TOO_LONG)
        return line.rstrip(b"\r\n")

    def _read_block(self, keep_bytes: int, max_bytes: int) -> bytes:
        """Read a reply of several lines up to its final dot (RFC 1939, section 3), without dots put in.

        poplib's own reader refuses lines over 2048 octets, and keeps without a bound.
        """
        self._accept(self._read_line())
        kept, size, begins = io.BytesIO(), 0, True
        while (piece := self._read_piece(_LONGEST_PIECE)) not in _FINAL_DOT or not begins:
            size += len(piece)
            if size > max_bytes:
                raise poplib.error_proto(_TOO_LONG)
            if kept.tell() < keep_bytes:
                kept.write(piece[1:] if begins and piece.startswith(b".") else piece)
            begins = piece.endswith(b"\n")
        return kept.getvalue()

    def _accept(self, reply: bytes) -> bytes:
        """Return a reply without its `+OK`; poplib takes anything for yes that begins with `+`."""
        if not is_positive(reply):
            raise poplib.error_proto(reply)
        return reply[len(b"+OK") :].strip()

    @contextmanager
    def _step(self, doing: str, otherwise: type[MailServerError] = ServerRefused) -> Iterator[None]:
        """Turn what poplib and the socket raise into our errors.

        `otherwise` is what a refusal means that gives no reason of its own.
        """
        server, self.doing = self.server, doing
        was_in_step, self._is_in_step = self._is_in_step, False
        try:
            if self._pop.is_cut:
                raise ConnectionAbortedError
            yield
        except poplib.error_proto as error:
            failure = self._failure(error, doing, otherwise)
            self._is_in_step = was_in_step and isinstance(failure, otherwise)
            raise failure from error
        except TimeoutError as error:
            text = f"{server} did not finish {doing} within {self._pop.patience_seconds:g} seconds."
            raise ServerTimeout(text, server=server) from error
        except OSError as error:
            text = f"The connection to {server} broke during {doing}."
            raise ConnectionFailed(text, server=server) from error
        except (ValueError, IndexError) as error:
            text = f"{server} answered {doing} with what is not POP3."
            raise ProtocolViolation(text, server=server) from error
        self._is_in_step = was_in_step

    def _failure(
        self, error: poplib.error_proto, doing: str, otherwise: type[MailServerError]
    ) -> MailServerError:
        """Tell a server's refusal (bytes) from what poplib itself has to say."""
        reply, server = error.args[0], self.server
        if isinstance(reply, bytes):
            return refusal(server, reply, doing, otherwise)
        if reply == _END_OF_STREAM:
            return ConnectionFailed(f"{server} closed the connection during {doing}.", server=server)
        return ProtocolViolation(f"{server} sent too long an answer to {doing}.", server=server)
