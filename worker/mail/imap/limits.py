"""The bounds within which IMAP mail is handled."""

from __future__ import annotations

from dataclasses import dataclass

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImapLimits:
    """Bounds of one answer, and of what is remembered for all accounts together.

    `max_message_bytes`: the largest message that is read. `max_remembered_bytes`: what the remembered
    messages of lists and searches take, with the sort keys of folders at servers without SORT.
    `max_known_ids`: how many further messages' ids are remembered, so that they need not be compared again.
    """

    max_message_bytes: int = 100 * _MEBIBYTE
    max_remembered_bytes: int = 64 * _MEBIBYTE
    max_known_ids: int = 20_000
