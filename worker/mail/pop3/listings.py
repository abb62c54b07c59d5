"""The listings of a maildrop as they came last, since the next ones are most often the same. Pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from worker.mail.pop3.replies import read_sizes, read_uids

# The objects of a message in both mappings: three numbers and a text without its characters.
_MESSAGE_BYTES = 3 * 28 + 49


class Listings:
    """Reads listings, unless they are what they were. What is returned must not be changed."""

    def __init__(self) -> None:
        self._uid_block = self._size_block = b""
        self._uids: Mapping[int, str] = {}
        self._sizes: Mapping[int, int] = {}

    def read_uids(self, block: bytes) -> Mapping[int, str]:
        """Read a UIDL answer; raises ValueError."""
        if block != self._uid_block:
            self._uid_block, self._uids = block, read_uids(block)
        return self._uids

    def read_sizes(self, block: bytes) -> Mapping[int, int]:
        """Read a LIST answer; raises ValueError."""
        if block != self._size_block:
            self._size_block, self._sizes = block, read_sizes(block)
        return self._sizes

    @property
    def bytes(self) -> int:
        """What they take, more or less."""
        if not self._uids and not self._sizes:
            return 0
        texts = 2 * len(self._uid_block) + len(self._size_block)
        mappings = sys.getsizeof(self._uids) + sys.getsizeof(self._sizes)
        return texts + mappings + _MESSAGE_BYTES * max(len(self._uids), len(self._sizes))
