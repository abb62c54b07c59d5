"""How much of the headers of many emails an operation keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from worker.errors import ResultTooLarge

T = TypeVar("T")


def bounded(emails: Iterable[T], bytes_of: Callable[[T], int], most_bytes: int) -> Iterator[T]:
    """Yield what will be kept in memory; raises ResultTooLarge for more: a header may have a megabyte."""
    kept_bytes = 0
    for email in emails:
        kept_bytes += bytes_of(email)
        if kept_bytes > most_bytes:
            raise ResultTooLarge(
                f"The headers of the messages take more than {most_bytes} bytes; ask for fewer.",
                limit=most_bytes,
            )
        yield email
