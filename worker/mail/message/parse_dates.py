"""Dates of header fields, as moments in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# No date is longer; the limit keeps the patterns below quick.
_LONGEST = 500
_COMMENT = re.compile(r"\([^()]*\)")
# The standard library reads neither a leap second nor a zone that is named and then told (browsers do so).
_LEAP_SECOND = re.compile(r"(?<=:[0-5]\d:)60")
_NAMED_ZONE = re.compile(r"\b(?:GMT|UTC)(?=[+-]\d{4})")


def read_date(value: bytes) -> datetime | None:
    """Return the moment of a Date field (RFC 5322, 3.3, or ISO 8601), or None; without a zone it is UTC."""
    return _read(_cleaned(value[:_LONGEST]))


def read_received_date(value: bytes) -> datetime | None:
    """Return the moment at the end of a Received field (RFC 5321, 4.4), or None."""
    return _read(_cleaned(value[-_LONGEST:]).rpartition(";")[2])


def _cleaned(value: bytes) -> str:
    text = value.decode("latin_1")
    if "(" in text:
        text = _COMMENT.sub(" ", text)
    if ":60" in text:
        text = _LEAP_SECOND.sub("59", text)
    if "GMT" in text or "UTC" in text:
        text = _NAMED_ZONE.sub("", text)
    return text.strip()


def _read(text: str) -> datetime | None:
    if not text:
        return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return aware.astimezone(UTC).replace(microsecond=0)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None
