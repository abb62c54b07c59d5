"""The bounds within which POP3 mail is handled."""

from __future__ import annotations

from dataclasses import dataclass

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pop3Limits:
    """Bounds of all maildrops together, of one session, and of one answer.

    `max_sessions`: open at once, which is also the number of threads. `max_remembered_bytes`: what the
    remembered headers of all maildrops may take. `max_hold_seconds`: how long a read or deleted mail's
    session waits for the engine, with the maildrop locked. `busy_patience_seconds`: how long to try
    again where another session has the maildrop. `pipelined_headers`, `pipelined_messages`: commands
    under way at once where the server takes several. Of a header section longer than
    `max_header_bytes`, the rest is not looked at; an answer longer than its bound is refused.
    """

    max_sessions: int = 32
    max_remembered_bytes: int = 64 * _MEBIBYTE
    max_hold_seconds: float = 60.0
    busy_patience_seconds: float = 15.0
    pipelined_headers: int = 64
    pipelined_messages: int = 4
    max_message_bytes: int = 100 * _MEBIBYTE
    max_header_bytes: int = _MEBIBYTE
    max_listing_bytes: int = 32 * _MEBIBYTE
