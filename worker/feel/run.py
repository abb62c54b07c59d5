"""The limits of one evaluation, and where it gets the time and random numbers from."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from worker.feel.error import FeelError

MAX_STEPS = 500_000
MAX_CHARACTERS = 20_000_000
MAX_CALL_DEPTH = 40
ITERATION_STEPS = 5
_COMPARED_PER_STEP = 5_000
_RANDOM = random.SystemRandom()


def _current_time() -> datetime:
    return datetime.now().astimezone()


def _new_uuid() -> str:
    """Return a UUID of version 7 (RFC 9562), the version that the reference makes."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | _RANDOM.getrandbits(80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=value))


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of `now()`, `today()`, `uuid()` and `random number()`."""

    now: Callable[[], datetime] = _current_time
    uuid: Callable[[], str] = _new_uuid
    random: Callable[[], float] = _RANDOM.random


@dataclass(slots=True)
class Run:
    """One evaluation. Work and memory are counted, not timed, so a busy machine changes nothing.

    `patterns`: what the patterns (with their flags) were compiled to, so that each is compiled once.
    """

    sources: Sources
    steps: int = MAX_STEPS
    characters: int = MAX_CHARACTERS
    depth: int = 0
    patterns: dict[tuple[str, str], Any] = field(default_factory=dict)

    def spend(self, steps: int) -> None:
        """Count `steps` units of work (about one small operation each)."""
        self.steps -= steps
        if self.steps < 0:
            raise FeelError(f"The expression needs more than {MAX_STEPS} steps.")

    def compare(self, *texts: str) -> None:
        """Count the work of comparing long texts with others."""
        self.spend(sum(map(len, texts)) // _COMPARED_PER_STEP)

    def count_text(self, text: str) -> str:
        """Count the characters of a new text against the memory that the evaluation may use."""
        self.reserve(len(text))
        return text

    def reserve(self, characters: int) -> None:
        """Count `characters` before a text of that length is made."""
        self.characters -= characters
        if self.characters < 0:
            raise FeelError(f"The expression makes more than {MAX_CHARACTERS} characters of text.")
