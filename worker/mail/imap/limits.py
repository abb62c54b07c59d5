"""The bounds within which IMAP email is handled, and what a command may bring."""

from __future__ import annotations

from dataclasses import dataclass

_KIBIBYTE = 1024
_MEBIBYTE = 1024 * _KIBIBYTE

# In octets. To the answer of any command the server may add news about the folder and words for people.
ANY_REPLY = _MEBIBYTE
FOLDER_LIST = 16 * _MEBIBYTE
# Of each message: the header fields of a list row (more than 64 KiB of them are not asked for), what a
# folder is sorted by, and a UID in a list of hits.
HEADER_FIELDS = 64 * _KIBIBYTE
LIST_ROW = HEADER_FIELDS + _KIBIBYTE
SORT_KEY = 2 * _KIBIBYTE
HIT = 11
# A folder that claims to hold more is treated as if it held this many.
MOST_MESSAGES = 2_000_000
# Whole header, while a message is moved: no mail server takes a header of more than 1 MiB or so.
WHOLE_HEADER = 4 * _MEBIBYTE


@dataclass(frozen=True, slots=True)
class ImapLimits:
    """Bounds of one answer, and of what is remembered for all accounts together.

    `max_message_bytes`: the largest message that is read. `max_remembered_bytes`: what the sort keys of
    folders at servers without SORT take.
    """

    max_message_bytes: int = 100 * _MEBIBYTE
    max_remembered_bytes: int = 64 * _MEBIBYTE
