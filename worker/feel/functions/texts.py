"""Functions on texts, except those that take patterns."""

from __future__ import annotations

import base64
import binascii
import operator
from decimal import Decimal

from worker.feel.error import FeelError
from worker.feel.run import Run
from worker.feel.signature import LIBRARY
from worker.feel.values import whole

_TRIMMED = "".join(map(chr, range(0x21)))
_NOT_BLANK = frozenset("\x85\xa0\u2007\u202f")


@LIBRARY.add("substring", "string: string", "start position: number", "", "length: number")
def _substring(_run: Run, text: str, start: Decimal, length: Decimal | None = None) -> str:
    if length is not None and length < 0:
        raise FeelError("substring() cannot take a negative length.")
    offset = _offset(text, start)
    return text[offset:] if length is None else text[offset : offset + whole(length)]


def _offset(text: str, start: Decimal) -> int:
    """Turn a position, which counts from 1 or backwards from -1, into an index."""
    place = whole(start)
    offset = place - 1 if place > 0 else len(text) + place
    if not 0 <= offset <= len(text):
        raise FeelError(f"substring() cannot start at {place} in a text of {len(text)} characters.")
    return offset


@LIBRARY.add("string length", "string: string")
def _string_length(_run: Run, text: str) -> Decimal:
    return Decimal(len(text))


LIBRARY.add_plain("upper case", str.upper, "string: string")
LIBRARY.add_plain("lower case", str.lower, "string: string")
LIBRARY.add_plain("contains", operator.contains, "string: string", "match: string")
LIBRARY.add_plain("starts with", str.startswith, "string: string", "match: string")
LIBRARY.add_plain("ends with", str.endswith, "string: string", "match: string")


@LIBRARY.add("substring before", "string: string", "match: string")
def _substring_before(_run: Run, text: str, match: str) -> str:
    return text[: max(text.find(match), 0)]


@LIBRARY.add("substring after", "string: string", "match: string")
def _substring_after(_run: Run, text: str, match: str) -> str:
    index = text.find(match)
    return "" if index < 0 else text[index + len(match) :]


@LIBRARY.add("trim", "string: string")
def _trim(_run: Run, text: str) -> str:
    return text.strip(_TRIMMED)


@LIBRARY.add("is blank", "string: string")
def _is_blank(_run: Run, text: str) -> bool:
    return not text or (text.isspace() and not any(character in text for character in _NOT_BLANK))


@LIBRARY.add("uuid")
def _uuid(run: Run) -> str:
    return run.sources.uuid()


@LIBRARY.add("to base64", "value: string")
def _to_base64(run: Run, text: str) -> str:
    data = text.encode(errors="replace")
    run.reserve(len(data))
    return base64.b64encode(data).decode()


@LIBRARY.add("from base64", "value: string")
def _from_base64(_run: Run, text: str) -> str | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return None
