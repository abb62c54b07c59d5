"""The fenced blocks of the documentation, in order, so that each can be executed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parent.parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
_INFO = re.compile(r'(?P<language>\w*) *(?:title="(?P<title>[^"]*)")? *')


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, and what the words behind the fence say of it."""

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def place(self) -> str:
        """The page and the line, as an editor opens them."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page; what stands behind a fence must be a language and perhaps a title."""
    text = page.read_text("utf-8")
    found = [_block(page, text, match) for match in _FENCE.finditer(text)]
    fences = len(re.findall(r"^ *(?:```|~~~)", text, re.MULTILINE))
    assert fences == 2 * len(found), f"{page} has a fence that is not closed"
    return found


def _block(page: Path, text: str, match: re.Match[str]) -> Block:
    info = _INFO.fullmatch(match["info"])
    line = text.count("\n", 0, match.start()) + 1
    assert info is not None, f"{page}:{line} has {match['info']!r} behind its fence"
    return Block(page, line, info["language"], info["title"] or "", dedent(match["text"]))
