"""Dates of header fields, as moments in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# No date is longer; the limit keeps the patterns below quick.
_LONGEST = 500
_COMMENT = re.compile(r"\([^()]*\)")


def read_date(value: bytes) -> datetime | None:
    """Return the moment of a Date field (RFC 5322, 3.3, or ISO 8601), or None; without a zone it is UTC."""
    return _read(_without_comments(value[:_LONGEST]))


def read_received_date(value: bytes) -> datetime | None:
    """Return the moment at the end of a Received field (RFC 5321, 4.4), or None."""
    return _read(_without_comments(value[-_LONGEST:]).rpartition(";")[2])


def _without_comments(value: bytes) -> str:
    text = value.decode("latin_1")
    return (_COMMENT.sub(" ", text) if "(" in text else text).strip()


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
