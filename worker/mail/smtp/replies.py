"""Replies of an SMTP server, and the errors that they mean. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from worker.errors import ProtocolViolation, ServerUnavailable
from worker.masking import excerpt

# What is no reply is given this code, as aiosmtplib does.
NO_REPLY = -1
_REPLY_CODES = range(200, 600)
_CLOSING = 421  # RFC 5321 3.8: the server closes the connection, after any command
_MAX_TEXT = 1000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3} ")


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer: three digits and the text of its lines, as the server wrote it."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one, fit for a message, their status (RFC 2034) said once."""
        first, *others = [_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", line.strip()) for line in self.lines]
        status = _STATUS.match(first)
        repeated = status[0] if status else ""
        text = " ".join([first, *(line.removeprefix(repeated) for line in others)])
        return excerpt(text, _MAX_TEXT)

    @property
    def is_positive(self) -> bool:
        """Whether the command was done (2yz, RFC 5321 4.2.1)."""
        return self.code // 100 == 2  # noqa: PLR2004 - the classes of reply codes

    @property
    def is_transient(self) -> bool:
        """Whether the command was refused for now (4yz)."""
        return self.code // 100 == 4  # noqa: PLR2004 - the classes of reply codes

    @property
    def is_permanent(self) -> bool:
        """Whether the command was refused permanently (5yz)."""
        return self.code // 100 == 5  # noqa: PLR2004 - the classes of reply codes

    def __str__(self) -> str:
        return self.text if self.code == NO_REPLY else f"{self.code} {self.text}".rstrip()


def check_reply(server: str, reply: Reply) -> Reply:
    """Return a reply that answers a command. Raises if it is no reply, or ends the connection."""
    if reply.code not in _REPLY_CODES:
        raise ProtocolViolation(
            f"{server} does not speak SMTP: it answered “{reply}”; check host and port.", server=server
        )
    if reply.code == _CLOSING:
        raise ServerUnavailable(f"{server} closes the connection: {reply}", server=server)
    return reply
