"""The bounds within which IMAP email is handled, and what the answer to a command may have."""

from __future__ import annotations

from dataclasses import dataclass

_MEBIBYTE = 1024 * 1024

# In octets. Any answer may come with news about the folder and words for people.
ANY_REPLY = _MEBIBYTE
FOLDER_LIST = 4 * _MEBIBYTE
# For each message. More header fields are not asked for.
HEADER_FIELDS = 64 * 1024
LIST_ROW = HEADER_FIELDS + 1024
STRUCTURE = 2 * 1024
# What the structures of all messages of an answer may have besides: one of 10,000 parts takes 2 MB.
STRUCTURES = 8 * _MEBIBYTE
WHOLE_HEADER = 4 * _MEBIBYTE
# What is kept of all messages of a list or a search.
MOST_KEPT = 64 * _MEBIBYTE
SORT_KEY = 2 * 1024
HIT = 20
# A folder that claims to have more is treated as if it had this many.
MOST_MESSAGES = 2_000_000
# What a server cannot search for is looked for here, in this many of a folder's newest messages.
MOST_SEARCHED_HERE = 5000


@dataclass(frozen=True, slots=True)
class ImapLimits:
    """In octets: the largest message that is read, and what all remembered sort keys may take together."""

    max_message_bytes: int = 100 * _MEBIBYTE
    max_remembered_bytes: int = 64 * _MEBIBYTE
