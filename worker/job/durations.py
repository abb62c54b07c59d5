"""ISO 8601 durations, as task headers write them."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)
# pydantic reads other notations too ("30", "00:00:30"); a header accepts only the standard's.
_ISO = re.compile(r"P(?!$)(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?", re.IGNORECASE)


def parse_duration_seconds(text: Any, *, may_be_zero: bool = True) -> float:
    """Return the seconds of a duration of days, hours, minutes and seconds such as `PT30S` or `P1DT2H`.

    Raises ValueError with what was expected. Months and years have no fixed length and are refused.
    """
    seconds = None
    if isinstance(text, str) and _ISO.fullmatch(text.strip()):
        with suppress(ValidationError):
            seconds = _DURATION.validate_python(text.strip().upper()).total_seconds()
    if seconds is None:
        raise ValueError("must be an ISO 8601 duration such as PT30S or PT5M")
    if not (seconds or may_be_zero):
        raise ValueError("must be greater than zero")
    return seconds
