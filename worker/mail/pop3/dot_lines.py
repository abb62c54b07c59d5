"""The lines of an answer in the pieces in which they come: no dots put in, and the end seen. Pure."""

from __future__ import annotations

import re

_FINAL_DOT = re.compile(rb"\n\.\r?\n")
# A line's end, and what may become the final dot once more has come.
_OPEN_END = re.compile(rb"\n(?:\.\r?)?\Z")
_LONGEST_OPEN_END = 3


class DotLines:
    """Lines up to the one that is a dot (RFC 1939, section 3), whatever their length and their number.

    Whole pieces are looked at, not lines: an answer may have tens of thousands of these. `is_over`: the
    final dot has come.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._open_end = b"\n"  # of the status line

    def take(self, piece: bytes) -> tuple[bytes, int]:
        """Return the lines in a piece, and how many of its bytes belong to the answer."""
        before = self._open_end
        text = before + piece
        if final := _FINAL_DOT.search(text):
            self.is_over = True
            stop, end = final.start() + 1, final.end()
        else:
            match = _OPEN_END.search(text[-_LONGEST_OPEN_END:])
            self._open_end = match[0] if match else b""
            stop, end = len(text) - len(self._open_end[1:]), len(text)
        lines = text[:stop].replace(b"\n.", b"\n")
        # The line's end that came before has been returned already.
        return lines[len(before[:1]) :], end - len(before)
