"""The bounds within which IMAP mail is handled."""

from __future__ import annotations

from dataclasses import dataclass

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImapLimits:
    """Bounds of one answer, and of what is remembered for all accounts together.

    `max_message_bytes`: the largest message that is read. `max_sort_key_bytes`: what the remembered
    sort keys of folders take, at servers without SORT. `max_known_ids`: how many messages' ids are
    remembered, so that what a list has named need not be verified again.
    """

    max_message_bytes: int = 100 * _MEBIBYTE
    max_sort_key_bytes: int = 64 * _MEBIBYTE
    max_known_ids: int = 20_000
