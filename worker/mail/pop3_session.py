"""One POP3 session (RFC 1939): the only door to poplib. Its methods block and belong in a thread."""

from __future__ import annotations

import base64
import io
import poplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from worker.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    MailServerError,
    ProtocolViolation,
    ServerRefused,
    ServerTimeout,
    ServerUnavailable,
    TlsFailed,
)
from worker.mail.account import Account, Encryption
from worker.mail.pop3_limits import Pop3Limits
from worker.mail.pop3_replies import (
    Capabilities,
    read_capabilities,
    read_sizes,
    read_uids,
    refusal,
    wants_sasl,
)
from worker.mail.pop3_socket import DeadlineSocket
from worker.mail.timeouts import Timeouts
from worker.mail.tls import tls_failure

_PIECE_BYTES = 64 * 1024
_END_OF_STREAM = "-ERR EOF"  # as poplib says it
_WANTED_AFTER_LOGIN = frozenset({"PIPELINING", "TOP", "UIDL"})

T = TypeVar("T")


class Pop3Session:
    """A session from greeting to QUIT. Every method raises a MailServerError where it fails.

    Message numbers hold within the session alone. After an error other than a refusal `is_usable` is
    false: answers could no longer be told apart. Only `cut` may be called from another thread.
    """

    def __init__(
        self, account: Account, connection: DeadlineSocket, timeouts: Timeouts, limits: Pop3Limits
    ) -> None:
        self.is_usable = True
        self._account = account
        self.server = account.server
        self._connection = connection
        self._timeouts = timeouts
        self._limits = limits
        self._pop3: _Pop3
        self._capabilities: Capabilities | None = None
        self._has_top: bool | None = None

    def open(self, tls_context: ssl.SSLContext) -> None:
        """Take the greeting, encrypt as the account asks, and sign in. Locks the maildrop."""
        if self._account.encryption is Encryption.IMPLICIT:
            self._shake_hands(tls_context)
        with self._door("to begin a session", ServerUnavailable, self._timeouts.greeting_seconds):
            self._pop3 = _Pop3(self._connection)
        self._capabilities = self._ask_capabilities()
        if self._account.encryption is Encryption.STARTTLS:
            self._start_tls(tls_context)
        self._sign_in()
        if not self._capabilities or not self._capabilities.names >= _WANTED_AFTER_LOGIN:
            # RFC 2449, section 5: some are announced only after the sign-in.
            self._capabilities = self._ask_capabilities() or self._capabilities

    def sizes(self) -> dict[int, int]:
        """Return the octets of each message by its number (LIST)."""
        return self._listing("LIST", read_sizes, self._timeouts.transfer_seconds)

    def uids(self) -> dict[int, str] | None:
        """Return the unique id of each message by its number (UIDL), or None where the server has none."""
        if not self._may_offer("UIDL"):
            return None
        return self._optional_listing("UIDL", read_uids, self._timeouts.transfer_seconds)

    def headers(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | None]]:
        """Yield each number with its header section; None where the message is gone. Exhaust it.

        Without TOP, whole messages pass by, of which only the beginning is kept.
        """
        if self._has_top is None:
            self._has_top = self._may_offer("TOP") and self._takes_top(numbers[0])
        keep_bytes = self._limits.max_header_bytes
        if not self._has_top:
            return self._retrieve(numbers, keep_bytes)
        commands = [f"TOP {number} 0" for number in numbers]
        window, seconds = self._limits.pipelined_headers, self._timeouts.command_seconds
        return zip(numbers, self._blocks(commands, window, seconds, keep_bytes), strict=True)

    def messages(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | None]]:
        """Yield each number with its whole message; None where it is gone. Exhaust it.

        One message at a time is in memory, if the caller keeps none.
        """
        return self._retrieve(numbers, self._limits.max_message_bytes)

    def delete_and_quit(self, number: int) -> None:
        """Delete a message and end the session; returns when the server says that it has done so.

        In one go, since some servers delete a marked message also where the connection breaks before QUIT.
        """
        self._command(f"DELE {number}", self._timeouts.command_seconds)
        self.quit(self._timeouts.command_seconds)

    def quit(self, within_seconds: float) -> None:
        """End the session in an orderly way."""
        self._command("QUIT", within_seconds)
        self.is_usable = False

    def cut(self) -> None:
        """End the connection without QUIT: nothing is deleted (RFC 1939, section 6). Never raises."""
        self.is_usable = False
        self._connection.cut()

    def close(self) -> None:
        """Give back the descriptor, when no thread is at work here any more."""
        self.cut()
        self._connection.close()

    def _shake_hands(self, tls_context: ssl.SSLContext) -> None:
        with self._door("the TLS handshake", TlsFailed, self._timeouts.tls_seconds):
            try:
                self._connection.start_tls(tls_context, self._account.host)
            except ssl.SSLError as error:
                raise tls_failure(self.server, error) from error

    def _start_tls(self, tls_context: ssl.SSLContext) -> None:
        """Encrypt by STLS (RFC 2595), which must succeed; what was said before does not count."""
        refused = f"{self.server} does not offer STLS, which would encrypt the connection; use its TLS port."
        if not self._may_offer("STLS"):
            raise TlsFailed(refused, server=self.server)
        try:
            self._command("STLS", self._timeouts.command_seconds)
        except ServerRefused as error:
            raise TlsFailed(refused, server=self.server) from error
        self._shake_hands(tls_context)
        self._pop3.file = self._connection.makefile("rb")
        self._capabilities = self._ask_capabilities()

    def _sign_in(self) -> None:
        username, password = self._account.username or "", self._account.password or ""
        with self._door("the sign-in", AuthenticationFailed, self._timeouts.login_seconds):
            if wants_sasl(self._capabilities, username, password):
                secret = f"\0{username}\0{password}".encode()
                # Not as an initial response: a line has 255 octets at most (RFC 5034, section 4).
                self._pop3.ask("AUTH PLAIN")
                self._pop3.ask(base64.b64encode(secret).decode())
            else:
                self._pop3.ask(f"USER {username}")
                self._pop3.ask(f"PASS {password}")

    def _ask_capabilities(self) -> Capabilities | None:
        return self._optional_listing("CAPA", read_capabilities, self._timeouts.command_seconds)

    def _may_offer(self, capability: str) -> bool:
        return self._capabilities is None or capability in self._capabilities

    def _takes_top(self, number: int) -> bool:
        """Find out by trying, where CAPA does not say."""
        if self._capabilities is not None:
            return True
        blocks = self._blocks([f"TOP {number} 0"], 1, self._timeouts.command_seconds, keep_bytes=0)
        return next(blocks) is not None

    def _command(self, command: str, within_seconds: float) -> None:
        with self._door(command, ServerRefused, within_seconds):
            self._pop3.ask(command)

    def _listing(self, command: str, read: Callable[[bytes], T], within_seconds: float) -> T:
        limit = self._limits.max_listing_bytes
        with self._door(command, ServerRefused, within_seconds):
            self._pop3.send([command])
            return read(self._pop3.read_answer(limit, limit))

    def _optional_listing(self, command: str, read: Callable[[bytes], T], within_seconds: float) -> T | None:
        with suppress(ServerRefused):
            return self._listing(command, read, within_seconds)
        return None

    def _retrieve(self, numbers: Sequence[int], keep_bytes: int) -> Iterator[tuple[int, bytes | None]]:
        commands = [f"RETR {number}" for number in numbers]
        window, seconds = self._limits.pipelined_messages, self._timeouts.transfer_seconds
        return zip(numbers, self._blocks(commands, window, seconds, keep_bytes), strict=True)

    def _blocks(
        self, commands: Sequence[str], window: int, seconds: float, keep_bytes: int
    ) -> Iterator[bytes | None]:
        """Yield the answer to each command, with up to `window` of them under way; None for a refusal."""
        if self._capabilities is None or "PIPELINING" not in self._capabilities:
            window = 1
        sent = 0
        for answered, command in enumerate(commands):
            try:
                with self._door(command, ServerRefused, seconds):
                    if sent - answered <= window // 2:
                        self._pop3.send(commands[sent : answered + window])
                        sent = min(answered + window, len(commands))
                    block = self._pop3.read_answer(keep_bytes, self._limits.max_message_bytes)
            except ServerRefused:
                yield None
            else:
                yield block

    @contextmanager
    def _door(self, doing: str, otherwise: type[MailServerError], within_seconds: float) -> Iterator[None]:
        """Bound a step in time, and turn what poplib and the socket raise into our errors.

        `otherwise` is what a refusal means that gives no reason of its own.
        """
        server = self.server
        was_usable, self.is_usable = self.is_usable, False
        try:
            self._connection.allow(within_seconds)
            yield
        except poplib.error_proto as error:
            failure = self._failure(error, doing, otherwise)
            self.is_usable = was_usable and isinstance(failure, otherwise)
            raise failure from error
        except TimeoutError as error:
            raise ServerTimeout(
                f"{server} did not finish {doing} within {within_seconds:g} seconds.", server=server
            ) from error
        except OSError as error:
            raise ConnectionFailed(
                f"The connection to {server} broke during {doing}.", server=server
            ) from error
        except ValueError as error:
            raise ProtocolViolation(
                f"{server} answered {doing} with what is not POP3.", server=server
            ) from error
        self.is_usable = was_usable

    def _failure(
        self, error: poplib.error_proto, doing: str, otherwise: type[MailServerError]
    ) -> MailServerError:
        """Tell a server's refusal (bytes) from what poplib itself has to say."""
        reply = error.args[0]
        if isinstance(reply, bytes):
            return refusal(self.server, reply, doing, otherwise)
        if reply == _END_OF_STREAM:
            return ConnectionFailed(
                f"{self.server} closed the connection during {doing}.", server=self.server
            )
        return ProtocolViolation(f"{self.server} sent too long an answer to {doing}.", server=self.server)


class _Pop3(poplib.POP3):
    """poplib over a connection that is there already, with commands ahead of their answers.

    poplib refuses any line over 2048 octets and keeps each line of a message as an object of its own;
    both are right for a status line alone.
    """

    def __init__(self, connection: DeadlineSocket) -> None:
        self._connection = connection
        super().__init__("")

    def _create_socket(self, _timeout: object) -> DeadlineSocket:
        return self._connection

    def ask(self, command: str) -> None:
        """Send a command and read its one-line answer."""
        self._shortcmd(command)  # type: ignore[attr-defined]

    def send(self, commands: Sequence[str]) -> None:
        """Send commands in one go; their answers come in the same order."""
        self.sock.sendall("".join(f"{command}\r\n" for command in commands).encode())

    def read_answer(self, keep_bytes: int, max_bytes: int) -> bytes:
        """Read an answer of several lines up to its final dot; return the first `keep_bytes` or so."""
        self._getresp()  # type: ignore[attr-defined]
        kept = io.BytesIO()
        size = 0
        is_line_start = True
        while piece := self.file.readline(_PIECE_BYTES):
            if is_line_start and piece.startswith(b"."):
                if piece in {b".\r\n", b".\n"}:
                    return kept.getvalue()
                piece = piece[1:]
            if size < keep_bytes:
                kept.write(piece)
            size += len(piece)
            if size > max_bytes:
                raise poplib.error_proto("answer too long")
            is_line_start = piece.endswith(b"\n")
        raise poplib.error_proto(_END_OF_STREAM)
