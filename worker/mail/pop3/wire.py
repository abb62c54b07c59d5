"""POP3 commands and answers (RFC 1939): the only door to poplib. It blocks and belongs in a thread."""

from __future__ import annotations

import io
import poplib
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from worker.mail.account import MailProtocol
from worker.mail.command_trace import trace_commands, traced, traced_step
from worker.mail.deadline_socket import DeadlineSocket
from worker.mail.pop3.dot_lines import DotLines
from worker.mail.pop3.replies import refusal
from worker.mail.tls import tls_failure

_END_OF_STREAM = "-ERR EOF"  # as poplib says it

T = TypeVar("T")


class Pop3Wire:
    """Sends commands and reads their answers, each within its time; whatever fails is a MailServerError.

    A refusal (`-ERR`) without a reason of its own is a ServerRefused. After any other error `is_usable` is
    false: answers could no longer be told apart. Only `cut` may be called from another thread.
    """

    def __init__(self, server: str, connection: DeadlineSocket) -> None:
        self.server = server
        self.is_usable = True
        self._connection = connection
        self._pop3: _Pop3

    def greet(self, within_seconds: float) -> None:
        """Take the server's greeting, which comes first of all."""
        with (
            traced_step(MailProtocol.POP3, self.server, "greeting"),
            self._door("the start of a session", ServerUnavailable, within_seconds),
        ):
            self._pop3 = _Pop3(self._connection)

    def start_tls(self, tls_context: ssl.SSLContext, host: str, within_seconds: float) -> None:
        """Encrypt from here on."""
        with (
            traced_step(MailProtocol.POP3, self.server, "tls"),
            self._door("the TLS handshake", TlsFailed, within_seconds),
        ):
            try:
                self._connection.start_tls(tls_context, host)
            except ssl.SSLError as error:
                raise tls_failure(self.server, error) from error

    def forget_what_came(self) -> None:
        """Drop what was received before TLS: anybody may have sent it."""
        self._pop3.file = self._connection.makefile("rb")

    def sign_in(self, lines: Sequence[str], window: int, within_seconds: float) -> None:
        """Send lines, up to `window` in one go; none of them gets into an error."""
        for start in range(0, len(lines), window):
            batch = lines[start : start + window]
            with (
                traced(MailProtocol.POP3, self.server, *batch),
                self._door("the sign-in", AuthenticationFailed, within_seconds),
            ):
                self._pop3.ask_together(batch)

    def ask(self, command: str, within_seconds: float) -> bytes:
        """Send a command and return its one-line answer without the `+OK`."""
        with (
            traced(MailProtocol.POP3, self.server, command),
            self._door(command, ServerRefused, within_seconds),
        ):
            return self._pop3.ask(command).removeprefix(b"+OK").strip()

    def ask_for_lines(
        self, command: str, read: Callable[[bytes], T], *, max_bytes: int, within_seconds: float
    ) -> T:
        """Send a command and return what `read` makes of the lines of its answer."""
        with (
            traced(MailProtocol.POP3, self.server, command),
            self._door(command, ServerRefused, within_seconds),
        ):
            self._pop3.send([command])
            return read(self._pop3.read_answer(max_bytes, max_bytes))

    def ask_for_blocks(
        self, commands: Sequence[str], window: int, *, keep_bytes: int, max_bytes: int, within_seconds: float
    ) -> Iterator[bytes | None]:
        """Yield the lines of the answer to each command, None for a refusal. Exhaust it.

        Up to `window` commands are under way at once. Of each answer the first `keep_bytes` or so are
        kept; one of more than `max_bytes` is an error. The time is that of one answer.
        """

        def read(_command: str) -> bytes:
            return self._pop3.read_answer(keep_bytes, max_bytes)

        for answer in self._ask_ahead(commands, window, read, within_seconds):
            yield None if isinstance(answer, ServerRefused) else answer

    def ask_for_listings(
        self,
        readers: Mapping[str, Callable[[bytes], T]],
        window: int,
        *,
        max_bytes: int,
        within_seconds: float,
    ) -> list[T | ServerRefused]:
        """Return, for each command, what its reader makes of the lines of its answer, or the refusal.

        Up to `window` commands are under way at once. The time is that of one answer.
        """

        def read(command: str) -> T:
            return readers[command](self._pop3.read_answer(max_bytes, max_bytes))

        return list(self._ask_ahead(list(readers), window, read, within_seconds))

    def _ask_ahead(
        self, commands: Sequence[str], window: int, read: Callable[[str], T], within_seconds: float
    ) -> Iterator[T | ServerRefused]:
        """Yield what `read` makes of the answer to each command, or its refusal. Exhaust it."""
        sent = 0
        answer: T | ServerRefused
        for answered, command in enumerate(commands):
            try:
                with self._door(command, ServerRefused, within_seconds):
                    if sent < len(commands) and sent - answered <= window // 2:
                        batch = commands[sent : answered + window]
                        step = trace_commands(MailProtocol.POP3, self.server, batch)
                        self._pop3.send(batch)
                        sent += len(batch)
                    answer = read(command)
            except ServerRefused as error:
                answer = error
            finally:
                step.answered()
            yield answer

    def cut(self) -> None:
        """End the connection at once. Never raises."""
        self.is_usable = False
        self._connection.cut()

    def close(self) -> None:
        """Give back the descriptor, when no thread is at work here any more."""
        self.cut()
        self._connection.close()

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

    def ask(self, command: str) -> bytes:
        """Send a command and return its one-line answer."""
        reply: bytes = self._shortcmd(command)  # type: ignore[attr-defined]
        return reply

    def ask_together(self, commands: Sequence[str]) -> None:
        """Send commands in one go and take their one-line answers; of several refusals the first is told."""
        self.send(commands)
        refusals: list[poplib.error_proto] = []
        for _ in commands:
            try:
                self._getresp()  # type: ignore[attr-defined]
            except poplib.error_proto as error:
                refusals.append(error)
        if refusals:
            raise refusals[0]

    def send(self, commands: Sequence[str]) -> None:
        """Send commands in one go; their answers come in the same order."""
        self.sock.sendall("".join(f"{command}\r\n" for command in commands).encode())

    def read_answer(self, keep_bytes: int, max_bytes: int) -> bytes:
        """Read an answer of several lines up to its final dot; return the first `keep_bytes` or so."""
        self._getresp()  # type: ignore[attr-defined]
        kept, size, lines = io.BytesIO(), 0, DotLines()
        while piece := self.file.peek():  # type: ignore[attr-defined]
            block, taken = lines.take(piece)
            self.file.read(taken)
            if size < keep_bytes:
                kept.write(block)
            size += len(block)
            if size > max_bytes:
                raise poplib.error_proto("answer too long")
            if lines.is_over:
                return kept.getvalue()
        raise poplib.error_proto(_END_OF_STREAM)
