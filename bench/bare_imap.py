"""IMAP as bare as can be: one socket, the fewest commands, nothing parsed but what the next one needs."""

from __future__ import annotations

import re
import socket

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
_LISTED = "RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID FROM SUBJECT DATE)]"
_FOUND = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID SUBJECT)]"


class BareImap:
    """A session with INBOX selected, as a warm one is."""

    def __init__(self, host: str, port: int, username: str, password: str) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._file.readline()
        self._command(f'LOGIN "{username}" "{password}"')
        self._command("SELECT INBOX")

    def close(self) -> None:
        """Cut the connection."""
        self._file.close()
        self._socket.close()

    def list(self, limit: int) -> bytes:
        """SORT and FETCH: the oldest messages and what a list shows of them.

        They have been delivered in the order of their arrival: that of UIDs is the one that is asked for.
        """
        answer = self._command(f"UID SORT RETURN (PARTIAL 1:{limit}) (ARRIVAL) US-ASCII ALL")
        return self._command(f"UID FETCH {_partial(answer)} ({_LISTED})")

    def search(self, subject: str) -> bytes:
        """SEARCH and FETCH."""
        answer = self._command(f'UID SEARCH SUBJECT "{subject}"')
        return self._command(f"UID FETCH {','.join(_found(answer))} ({_FOUND})")

    def read(self, message_id: str) -> bytes:
        """SEARCH and FETCH."""
        return self._command(f"UID FETCH {self._uid_of(message_id)} (INTERNALDATE BODY.PEEK[])")

    def delete(self, message_id: str) -> bytes:
        """SEARCH, STORE and EXPUNGE."""
        uid = self._uid_of(message_id)
        self._command(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
        return self._command(f"UID EXPUNGE {uid}")

    def move(self, message_id: str) -> bytes:
        """SEARCH and MOVE."""
        return self._command(f"UID MOVE {self._uid_of(message_id)} Archive")

    def _uid_of(self, message_id: str) -> str:
        return _found(self._command(f'UID SEARCH HEADER Message-ID "{message_id}"'))[0]

    def _command(self, text: str) -> bytes:
        self._socket.sendall(b"a " + text.encode() + b"\r\n")
        answer = []
        while True:
            line = self._file.readline()
            answer.append(line)
            if line.startswith(b"a "):
                if not line.startswith(b"a OK"):
                    raise RuntimeError(f"{text}: {line!r}")
                return b"".join(answer)
            if not line:
                raise RuntimeError(f"{text}: the connection has ended")
            if literal := _LITERAL.search(line):
                answer.append(self._file.read(int(literal[1])))


def _found(answer: bytes) -> list[str]:
    line = next(line for line in answer.split(b"\r\n") if line.startswith(b"* SEARCH"))
    return line.decode().split()[2:]


def _partial(answer: bytes) -> str:
    found = re.search(rb"PARTIAL \(\S+ ([\d,:]+)\)", answer)
    if found is None:
        raise RuntimeError(f"no partial result in {answer!r}")
    return found[1].decode()
