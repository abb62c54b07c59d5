"""What must hold on every machine, however slow: commands, bytes and memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_MB = 1_000_000
# The first time, with the sign-in, and repeated on the warm session. What is more than the bare client sends
# makes the answer right: NOOP shows mail that has come since (and is all of a list where none has), FETCH
# compares the id that a search has found, CAPA is asked for in each session. POP3's first list fetches every
# header.
_COMMANDS = {
    "IMAP list": (6, 1),
    "IMAP search": (6, 3),
    "IMAP read": (6, 3),
    "IMAP delete": (8, 4),
    "IMAP move": (7, 3),
    "SMTP send": (5, 4),
    "POP3 list": (None, 6),
}
# Never more than the bare client's, which waits for every answer but those to MAIL, RCPT and DATA.
_MOST_ROUND_TRIPS = 1.0
_BYTES_RATIO = 1.5
_BYTES_ALLOWANCE = 600
_GROWTH_RATIO = 1.5
_IDLE_BYTES = 100 * _MB
_AFTER_JOBS_RATIO = 1.25
_READING_RATIO = 2.0
_SENDS_RATIO = 1.02


def broken_limits(part: str, results: dict[str, Any]) -> Iterator[str]:
    """Say of each limit that does not hold what was found."""
    match part:
        case "wire":
            for row in results["rows"]:
                yield from _wire(row)
        case "growth":
            yield from _growth(results["rows"])
        case "memory":
            yield from _memory(results)


def _wire(row: dict[str, Any]) -> Iterator[str]:
    operation, repeated, bare = row["operation"], row["repeated"], row["bare"]
    first_limit, limit = _COMMANDS[operation]
    yield from _exceeded(f"{operation}, repeated: commands", repeated["commands"], limit)
    if first_limit is not None:
        yield from _exceeded(f"{operation}, first: commands", row["first"]["commands"], first_limit)
    trips = repeated["round_trips"] / bare["round_trips"]
    yield from _exceeded(
        f"{operation}, repeated: round trips, to the bare client's", trips, _MOST_ROUND_TRIPS
    )
    for direction in ("bytes_sent", "bytes_received"):
        most = bare[direction] * _BYTES_RATIO + _BYTES_ALLOWANCE
        yield from _exceeded(f"{operation}, repeated: {direction}", repeated[direction], most)


def _growth(rows: list[dict[str, Any]]) -> Iterator[str]:
    smallest = {row["operation"]: row for row in reversed(rows)}
    for row in rows:
        base = smallest[row["operation"]]
        for what in ("bytes", "peak_bytes"):
            title = f"{row['operation']} in {row['messages']} messages: {what}"
            yield from _exceeded(title, row[what], base[what] * _GROWTH_RATIO)


def _memory(results: dict[str, Any]) -> Iterator[str]:
    jobs, reading, sends = results["jobs"], results["reading"], results["sends"]
    yield from _exceeded("resident bytes, idle", jobs["idle_bytes"], _IDLE_BYTES)
    yield from _exceeded("resident bytes after jobs, to idle", jobs["after_ratio_to_idle"], _AFTER_JOBS_RATIO)
    yield from _exceeded(
        "memory of large messages, to their size", reading["growth_ratio_to_mail"], _READING_RATIO
    )
    yield from _exceeded(
        "resident bytes after all sends, to the first tenth", sends["growth_ratio"], _SENDS_RATIO
    )


def _exceeded(title: str, found: float, limit: float) -> Iterator[str]:
    if found > limit:
        yield f"{title}: {found:g}, and the limit is {limit:g}"
