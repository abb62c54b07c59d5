"""imaplib as this worker uses it: the only door to imap_tools and imaplib."""

from __future__ import annotations

import imaplib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

# Its import also lifts imaplib's limit on a line to 20 MB: enough for two million search hits.
from imap_tools.imap_utf7 import utf7_decode, utf7_encode

from worker.mail.deadline_socket import DeadlineSocket
from worker.mail.imap.responses import Piece, Reply

ImapError = imaplib.IMAP4.error


class Goodbye(ImapError):
    """The server has ended the session of its own accord (BYE), with its reason."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.reply = Reply("BYE", text, {})


class LiteralTooLarge(ImapError):
    """The server wants to send more than is taken. Both in octets."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a literal of {size} octets")
        self.size = size
        self.limit = limit


class ImapClient(imaplib.IMAP4):
    """Commands and replies over a connection that is there already; takes the greeting when it is made.

    Unlike imaplib alone, it sends several literals in a command, hands over fetched messages as they
    come instead of collecting them, counts the messages of the folder, and gives refusals as replies.
    """

    def __init__(self, connection: DeadlineSocket, max_literal_bytes: int) -> None:
        self.exists = 0
        self.changes = 0
        self.on_fetch: Callable[[Sequence[Piece]], None] | None = None
        self._connection = connection
        self._max_literal_bytes = max_literal_bytes
        self._chunks: Iterator[bytes] = iter(())
        self._fetched: list[Piece] = []
        try:
            super().__init__()
        except ImapError:
            self._check_bye()
            raise
        self.is_readonly = True  # or imaplib takes a folder that is read-only for an error

    def converse(self, chunks: Sequence[bytes]) -> Reply:
        """Send a command; each chunk after the first when the server asks for it (literal, SASL reply)."""
        self.untagged_responses.clear()
        verb, _, rest = chunks[0].partition(b" ")
        if len(chunks) > 1:
            self._chunks = iter(chunks[1:])
            self.literal = self._next_chunk  # type: ignore[assignment]  # typeshed leaves methods out
        with self._goodbye_heard():
            return self._replies([self._command(verb.decode("ascii"), rest or None)])[0]

    def converse_together(self, commands: Sequence[bytes]) -> list[Reply]:
        """Send commands in one go and return their replies, which share what came before them."""
        self.untagged_responses.clear()
        tags = [self._new_tag() for _ in commands]
        self.send(b"".join(b"%b %b\r\n" % pair for pair in zip(tags, commands, strict=True)))
        with self._goodbye_heard():
            return self._replies(tags)

    def read_anew(self) -> None:
        """Forget what was read ahead and read from the connection as it is now (after STARTTLS)."""
        self.open()

    def read(self, size: int) -> bytes:
        """Read a literal."""
        if size > self._max_literal_bytes:
            raise LiteralTooLarge(size, self._max_literal_bytes)
        data: bytes = super().read(size)
        return data

    def _get_line(self) -> bytes:
        """Read a line, which imaplib would write down too, for a log that nobody reads."""
        line: bytes = self.readline()
        if not line.endswith(b"\r\n"):
            raise self.abort("socket error: " + ("unterminated line" if line else "EOF"))
        return line[:-2]

    def _create_socket(self, _timeout: float | None) -> DeadlineSocket:
        return self._connection

    def _get_capabilities(self) -> None:
        """Spare the question where the greeting has said it."""
        lines = self.untagged_responses.get("CAPABILITY")
        if lines:
            self.capabilities = tuple(_text(lines[-1]).decode("latin-1").upper().split())
        else:
            super()._get_capabilities()  # type: ignore[misc]  # not in typeshed

    def _replies(self, tags: Sequence[bytes]) -> list[Reply]:
        ends = [self._get_tagged_response(tag) for tag in tags]
        data = dict(self.untagged_responses)
        return [Reply(status, text.decode("utf-8", "replace"), data) for status, (text,) in ends]

    @contextmanager
    def _goodbye_heard(self) -> Iterator[None]:
        """Of a connection that ends, tell what the server has said about it."""
        try:
            yield
        except self.abort:
            self._check_bye()
            raise

    def _check_bye(self) -> None:
        lines = self.untagged_responses.get("BYE")
        if lines:
            raise Goodbye(_text(lines[-1]).decode("utf-8", "replace"))

    def _append_untagged(self, name: str, data: Piece) -> None:
        if name == "FETCH":
            self._take_fetched(data)
            return
        if name == "EXISTS":
            exists = int(_text(data))
            self.changes += exists != self.exists
            self.exists = exists
        elif name == "EXPUNGE":
            self.exists -= 1
            self.changes += 1
        super()._append_untagged(name, data)  # type: ignore[misc]  # not in typeshed

    def _take_fetched(self, piece: Piece) -> None:
        """Collect the pieces of one message: the last one has no literal."""
        self._fetched.append(piece)
        if isinstance(piece, bytes):
            pieces, self._fetched = self._fetched, []
            if self.on_fetch is not None:
                self.on_fetch(pieces)

    def _next_chunk(self, _challenge: object) -> bytes:
        # Asked for more than there is: a lone asterisk ends a SASL exchange.
        return next(self._chunks, b"*")


def _text(piece: Piece) -> bytes:
    return piece if isinstance(piece, bytes) else piece[1]


def quote(text: str) -> str:
    """Return an ASCII text as a quoted string; it may not hold CR, LF or NUL."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def quote_name(name: str) -> bytes:
    """Return a folder's name as a quoted string in modified UTF-7 (RFC 3501, 5.1.3)."""
    return quote(utf7_encode(name).decode("ascii")).encode("ascii")


def decode_name(raw: bytes) -> str:
    """Return the name that modified UTF-7 stands for; one that is no UTF-7 as it stands."""
    try:
        return utf7_decode(raw)
    except ValueError:
        return raw.decode("latin-1")
