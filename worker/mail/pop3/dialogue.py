"""Commands and replies of POP3 (RFC 1939). It blocks: use it in a thread."""

from __future__ import annotations

import io
import poplib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from worker.errors import MailServerError, ProtocolViolation, ServerRefused
from worker.mail.account import MailProtocol
from worker.mail.command_trace import traced
from worker.mail.connection import BoundedConnection
from worker.mail.pop3.replies import is_positive, refusal
from worker.mail.threads import BlockingSession
from worker.mail.timeouts import Timeouts

# RFC 1939 allows 512 octets for the line that says yes or no; poplib is as patient as this.
_LONGEST_REPLY = 2048
# A longer line in a multi-line reply is read in pieces of this size.
_LONGEST_PIECE = 64 * 1024
_FINAL_DOT = (b".\r\n", b".\n")
# As poplib says it.
_TOO_LONG = "line too long"


class _Commands(poplib.POP3):
    """poplib's commands with a reply of one line, on a connection that is there already."""

    def __init__(self, connection: BoundedConnection) -> None:
        # Not poplib's own, which connects by itself.
        self.sock = self.file = connection  # type: ignore[assignment]  # it can do all that poplib needs
        self.set_debuglevel(0)

    def close(self) -> None:
        """Leave the connection open; poplib closes it after QUIT."""


class Pop3Dialogue(BlockingSession):
    """Sends commands and reads their replies; every failure is a MailServerError.

    `pop`: poplib's client, for its methods. `connection.octets`: what the server may still send.
    """

    def __init__(self, server: str, connection: socket.socket, timeouts: Timeouts) -> None:
        super().__init__(server, connection)
        self.pop = _Commands(self.connection)
        self.timeouts = timeouts

    def skip_lines(self) -> None:
        """Skip lines that follow a one-line reply, up to the reply to NOOP."""
        with traced(MailProtocol.POP3, self.server, "NOOP"), self.step("NOOP"):
            self._send("NOOP")
            while not is_positive(self.read_line()):
                pass

    def say(self, line: str, talk: Callable[[], bytes]) -> bytes:
        """Give a command with a reply of one line, and return that without its `+OK`."""
        with traced(MailProtocol.POP3, self.server, line), self.step(line):
            return self.accept(talk())

    def ask(self, line: str) -> bytes:
        """Give a command whose reply of one line poplib has no method for."""
        return self.say(line, lambda: self.exchange(line))

    def ask_lines(
        self, line: str, max_bytes: int, keep_bytes: int | None = None, seconds: float | None = None
    ) -> bytes:
        """Give a command with a reply of several lines; return these, or the first `keep_bytes` or so."""
        seconds = seconds or self.timeouts.transfer_seconds
        with traced(MailProtocol.POP3, self.server, line), self.step(line, seconds=seconds):
            self._send(line)
            return self._read_block(max_bytes if keep_bytes is None else keep_bytes, max_bytes)

    def ask_all_lines(self, lines: Sequence[str], max_bytes: int, keep_bytes: int) -> Iterator[bytes | None]:
        """Send all commands together, and yield the lines of each reply, None for a refusal.

        Whoever does not exhaust it leaves replies unread, and the session unusable.
        """
        unread = len(lines)
        round_trip = traced(MailProtocol.POP3, self.server, *lines)
        try:
            with self.step(lines[0]):
                self._send(*lines)
            for line in lines:
                block = None
                with suppress(ServerRefused), self.step(line, seconds=self.timeouts.transfer_seconds):
                    block = self._read_block(keep_bytes, max_bytes)
                unread -= 1
                yield block
        finally:
            self.is_in_step = self.is_in_step and not unread
            round_trip.end()

    def exchange(self, line: str) -> bytes:
        """Send a command and return its one-line reply, also a refusal."""
        self._send(line)
        return self.read_line()

    def read_line(self) -> bytes:
        """Return a one-line reply, also a refusal."""
        line = self.connection.readline(_LONGEST_REPLY + 1)
        if len(line) > _LONGEST_REPLY:
            raise poplib.error_proto(_TOO_LONG)
        return line.rstrip(b"\r\n")

    def _send(self, *lines: str) -> None:
        self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def _read_block(self, keep_bytes: int, max_bytes: int) -> bytes:
        """Read a reply of several lines up to its final dot (RFC 1939, section 3), without the added dots.

        poplib's own reader refuses lines over 2048 octets, and keeps without a bound.
        """
        self.accept(self.read_line())
        kept, size, begins = io.BytesIO(), 0, True
        while (piece := self.connection.readline(_LONGEST_PIECE)) not in _FINAL_DOT or not begins:
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
    def step(
        self, doing: str, otherwise: type[MailServerError] = ServerRefused, seconds: float | None = None
    ) -> Iterator[None]:
        """Limit a step, and turn exceptions of poplib into the worker's errors.

        `otherwise`: the error for a refusal without a reason.
        """
        server, self.doing = self.server, doing
        was_in_step, self.is_in_step = self.is_in_step, False
        seconds = seconds or self.timeouts.command_seconds
        self.connection.allow(f"answer {doing}", seconds, self.connection.octets)
        try:
            yield
        except poplib.error_proto as error:
            reply = error.args[0]
            if reply == _TOO_LONG:
                text = f"{server} sent too long an answer to {doing}."
                raise ProtocolViolation(text, server=server) from error
            failure = refusal(server, reply, doing, otherwise)
            self.is_in_step = was_in_step and isinstance(failure, otherwise)
            raise failure from error
        except (ValueError, IndexError) as error:
            text = f"{server} answered {doing} with what is not POP3."
            raise ProtocolViolation(text, server=server) from error
        self.is_in_step = was_in_step
