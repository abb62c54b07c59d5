"""Commands and replies of POP3 (RFC 1939), on a connection by poplib. It blocks: use it in a thread."""

from __future__ import annotations

import io
import poplib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from worker.errors import (
    ConnectionFailed,
    MailServerError,
    ProtocolViolation,
    ServerRefused,
    ServerTimeout,
)
from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.command_trace import trace_commands, traced
from worker.mail.pop3.connection import PlainConnection, TlsConnection
from worker.mail.pop3.replies import is_positive, refusal
from worker.mail.timeouts import Timeouts

# RFC 1939 allows 512 octets for the line that says yes or no; poplib is as patient as this.
_LONGEST_REPLY = 2048
# Of a longer line in a reply of several, this much is read at once.
_LONGEST_PIECE = 64 * 1024
_FINAL_DOT = (b".\r\n", b".\n")
# As poplib says it.
_END_OF_STREAM, _TOO_LONG = "-ERR EOF", "line too long"


class Pop3Dialogue:
    """Gives commands and takes their replies; whatever fails is a MailServerError.

    `pop`: poplib's client, for its methods. `doing`: the command at hand. `allowed_bytes`: what the server
    may still send. Only `cut` may be called from another thread.
    """

    def __init__(self, account: Account, timeouts: Timeouts, allowed_bytes: int) -> None:
        kind = TlsConnection if account.encryption is Encryption.IMPLICIT else PlainConnection
        self.pop = kind(account, timeouts)
        self.server = account.server
        self.doing = "the connection"
        self.allowed_bytes = allowed_bytes
        self._is_in_step = True

    @property
    def is_usable(self) -> bool:
        """Whether the next command may be sent: connected, and in step with the server."""
        return self._is_in_step and not self.pop.is_cut

    def cut(self) -> None:
        """End the connection without QUIT, so that nothing is deleted (RFC 1939, section 6). Never raises."""
        self.pop.cut()

    def close(self) -> None:
        """Give back the descriptor, when no thread is at work here any more. Never raises."""
        self.pop.close()

    def skip_lines(self) -> None:
        """Pass over what may follow a reply of one line, up to the reply to NOOP."""
        with traced(MailProtocol.POP3, self.server, "NOOP"), self.step("NOOP"):
            self._send("NOOP")
            while not is_positive(self._read_line()):
                pass

    def say(self, line: str, talk: Callable[[], bytes]) -> bytes:
        """Give a command with a reply of one line, and return that without its `+OK`."""
        with traced(MailProtocol.POP3, self.server, line), self.step(line):
            return self.accept(talk())

    def ask(self, line: str) -> bytes:
        """Give a command whose reply of one line poplib has no method for."""
        return self.say(line, lambda: self.exchange(line))

    def ask_lines(self, line: str, max_bytes: int, keep_bytes: int | None = None) -> bytes:
        """Give a command with a reply of several lines; return these, or the first `keep_bytes` or so."""
        with traced(MailProtocol.POP3, self.server, line), self.step(line):
            self._send(line)
            return self._read_block(max_bytes if keep_bytes is None else keep_bytes, max_bytes)

    def ask_all_lines(self, lines: Sequence[str], max_bytes: int, keep_bytes: int) -> Iterator[bytes | None]:
        """Send commands, all of them at once, and yield the lines of each reply, None for a refusal.

        Whoever does not exhaust it leaves replies unread, and the session unusable.
        """
        unread = len(lines)
        round_trip = trace_commands(MailProtocol.POP3, self.server, lines)
        try:
            with self.step(lines[0]):
                self._send(*lines)
            for line in lines:
                block = None
                with suppress(ServerRefused), self.step(line):
                    block = self._read_block(keep_bytes, max_bytes)
                unread -= 1
                yield block
        finally:
            self._is_in_step = self._is_in_step and not unread
            round_trip.answered()

    def exchange(self, line: str) -> bytes:
        """Give a command and return its reply of one line, whatever that is."""
        self._send(line)
        return self._read_line()

    def _send(self, *lines: str) -> None:
        self.pop.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def _read_piece(self, limit: int) -> bytes:
        """Read a line, or as much of it as `limit` says, within what the server may still send."""
        piece: bytes = self.pop.file.readline(limit)
        if not piece:
            raise poplib.error_proto(_END_OF_STREAM)
        self.allowed_bytes -= len(piece)
        if self.allowed_bytes < 0:
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
        self.accept(self._read_line())
        kept, size, begins = io.BytesIO(), 0, True
        while (piece := self._read_piece(_LONGEST_PIECE)) not in _FINAL_DOT or not begins:
            size += len(piece)
            if size > max_bytes:
                raise poplib.error_proto(_TOO_LONG)
            if kept.tell() < keep_bytes:
                kept.write(piece[1:] if begins and piece.startswith(b".") else piece)
            begins = piece.endswith(b"\n")
        return kept.getvalue()

    def accept(self, reply: bytes) -> bytes:
        """Return a reply without its `+OK`; poplib takes anything for yes that begins with `+`."""
        if not is_positive(reply):
            raise poplib.error_proto(reply)
        return reply[len(b"+OK") :].strip()

    @contextmanager
    def step(self, doing: str, otherwise: type[MailServerError] = ServerRefused) -> Iterator[None]:
        """Turn what poplib and the socket raise into our errors.

        `otherwise` is what a refusal means that gives no reason of its own.
        """
        server, self.doing = self.server, doing
        was_in_step, self._is_in_step = self._is_in_step, False
        try:
            if self.pop.is_cut:
                raise ConnectionAbortedError
            yield
        except poplib.error_proto as error:
            failure = self._failure(error, doing, otherwise)
            self._is_in_step = was_in_step and isinstance(failure, otherwise)
            raise failure from error
        except TimeoutError as error:
            text = f"{server} did not finish {doing} within {self.pop.patience_seconds:g} seconds."
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
