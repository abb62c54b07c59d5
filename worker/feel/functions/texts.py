"""Functions on texts, except those that take patterns."""

from __future__ import annotations

import base64
import binascii
import operator
from decimal import Decimal

from worker.feel.error import FeelError
from worker.feel.run import Run
from worker.feel.signature import builtin
from worker.feel.values import index_of, whole

_TRIMMED = "".join(map(chr, range(0x21)))
_NOT_BLANK = frozenset("\x85\xa0\u2007\u202f")


@builtin("substring", "string: string", "start position: number", "", "length: number")
def _substring(text: str, start: Decimal, length: Decimal | None = None) -> str:
    if length is not None and length < 0:
        raise FeelError("substring() cannot take a negative length.")
    offset = index_of(start, len(text))
    if not 0 <= offset <= len(text):
        raise FeelError(f"substring() cannot start at {whole(start)} in a text of {len(text)} characters.")
    return text[offset:] if length is None else text[offset : offset + whole(length)]


@builtin("string length", "string: string")
def _string_length(text: str) -> Decimal:
    return Decimal(len(text))


builtin("upper case", "string: string")(str.upper)
builtin("lower case", "string: string")(str.lower)
builtin("contains", "string: string", "match: string")(operator.contains)
builtin("starts with", "string: string", "match: string")(str.startswith)
builtin("ends with", "string: string", "match: string")(str.endswith)


@builtin("substring before", "string: string", "match: string")
def _substring_before(text: str, match: str) -> str:
    return text[: max(text.find(match), 0)]


@builtin("substring after", "string: string", "match: string")
def _substring_after(text: str, match: str) -> str:
    index = text.find(match)
    return "" if index < 0 else text[index + len(match) :]


@builtin("trim", "string: string")
def _trim(text: str) -> str:
    return text.strip(_TRIMMED)


@builtin("is blank", "string: string")
def _is_blank(text: str) -> bool:
    return not text or (text.isspace() and not any(character in text for character in _NOT_BLANK))


@builtin("uuid", needs_run=True)
def _uuid(run: Run) -> str:
    return run.sources.uuid()


@builtin("to base64", "value: string", needs_run=True)
def _to_base64(run: Run, text: str) -> str:
    data = text.encode(errors="replace")
    run.reserve(len(data))
    return base64.b64encode(data).decode()


@builtin("from base64", "value: string")
def _from_base64(text: str) -> str | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return None
