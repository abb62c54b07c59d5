"""Hides secrets in texts that people read, and shortens foreign texts: first masked, then cut."""

from __future__ import annotations

import base64
import html
import json
import re
import string
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, quote_plus

_MASK = "***"
_BASE64 = frozenset(string.ascii_letters + string.digits + "+/=-_")
# RFC 4648, 5: the alphabet for URLs and file names.
_URL_SAFE = str.maketrans("-_", "+/")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
# Shorter values are masked only as separate words, so that ordinary words stay readable.
_SHORT = 4
# About a thousand values; those that were not used for the longest time go first.
_MAX_FORMS = 8_000
# What a server or a line break may put between the characters of a value.
_BLANK = r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2060\ufeff\ufffd\ud800-\udfff]+"
_IGNORED = re.compile(_BLANK)
_CODE = re.compile(r"\d[\d.]\d")
# The same, and a reply code at the start of a line (RFC 5321, 4.2.1) with its status (RFC 2034).
_IGNORED_WITH_CODES = re.compile(
    rf"{_BLANK}(?:[2-5]\d\d[ -]{_BLANK[:-1]}*)?(?:[245]\.\d{{1,3}}\.\d{{1,3}} )?"
)


class Mask:
    """Replaces secret values in any text by `***`, also encoded, quoted, or broken over several lines.

    The letter case of ASCII does not matter, but in base64.

    `shared`: a mask whose values are hidden too, such as the worker's for a job's.
    """

    def __init__(self, shared: Mask | None = None) -> None:
        # Each form with whether it is base64.
        self._forms: OrderedDict[str, bool] = OrderedDict()
        self._shared = shared

    def learn(self, value: str) -> None:
        """Hide `value` from now on."""
        encoded = [(form, True) for form in _base64_forms(value)]
        quoted = [(_in_a_url(form, "").translate(_LOWER), False) for form, _ in encoded if not form.isalnum()]
        for form, is_base64 in (*encoded, *quoted, *((form, False) for form in _forms_of(value))):
            self._forms[form] = is_base64
            self._forms.move_to_end(form)
        while len(self._forms) > _MAX_FORMS:
            self._forms.popitem(last=False)

    def hide(self, text: str) -> str:
        """Return `text` without any secret value."""
        shown: list[str] = []
        end = 0
        for start, stop in sorted(self._places(text)):
            if start >= end:
                shown += (text[end:start], _MASK)
            end = max(end, stop)
        return "".join((*shown, text[end:]))

    def hide_in(self, value: Any) -> Any:
        """Return `value` with every string in it masked; what is not JSON is read as text."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {name: self.hide_in(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hide_in(item) for item in value]
        is_harmless = value is None or isinstance(value, (bool, int, float))
        return value if is_harmless else self.hide(str(value))

    def forms(self) -> Iterator[tuple[str, bool]]:
        """Yield every form of every value to hide, and whether it is base64."""
        # A copy, because another thread may add values.
        yield from tuple(self._forms.items())
        if self._shared is not None:
            yield from self._shared.forms()

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where secret values begin and end in `text`."""
        lowered = text.translate(_LOWER)
        readings = [_Reading(text, ignored) for ignored in _readings_of(text)]
        for form, is_base64 in self.forms():
            if len(form) < _SHORT:
                yield from (place for place in _found(form, lowered) if _stands_alone(text, *place))
                continue
            for reading in readings:
                # Asked first, as there may be thousands of forms, and hardly ever one of them is there.
                if form in (reading.encoded if is_base64 else reading.lowered):
                    places = reading.places(form, is_base64=is_base64)
                    yield from (_whole_word(text, *place) if is_base64 else place for place in places)


def _readings_of(text: str) -> Iterator[re.Pattern[str]]:
    yield _IGNORED
    if _CODE.search(text):
        yield _IGNORED_WITH_CODES


class _Reading:
    """A text without what is ignored between the characters of a value.

    `lowered`: in small letters. `encoded`: with one alphabet of base64 for both.
    """

    def __init__(self, text: str, ignored: re.Pattern[str]) -> None:
        self._text, self._ignored = text, ignored
        compact = ignored.sub("", text)
        self.lowered, self.encoded = compact.translate(_LOWER), compact.translate(_URL_SAFE)
        self._positions: list[int] = []

    def places(self, form: str, *, is_base64: bool) -> Iterator[tuple[int, int]]:
        """Yield where a form begins and ends in the text."""
        for start, stop in _found(form, self.encoded if is_base64 else self.lowered):
            self._positions = self._positions or self._kept()
            yield self._positions[start], self._positions[stop - 1] + 1

    def _kept(self) -> list[int]:
        """Return the position in the text of each character that is not ignored."""
        positions: list[int] = []
        end = 0
        for gap in self._ignored.finditer(self._text):
            positions += range(end, gap.start())
            end = gap.end()
        return [*positions, *range(end, len(self._text))]


_NOTHING = Mask()
_current: ContextVar[Mask | None] = ContextVar("mask", default=None)


@contextmanager
def masking(mask: Mask) -> Iterator[None]:
    """Mask by `mask` what this task, and the threads that work for it, show of foreign texts."""
    token = _current.set(mask)
    try:
        yield
    finally:
        _current.reset(token)


def current_mask(default: Mask = _NOTHING) -> Mask:
    """Return the mask of the work of this task, or `default` outside of any."""
    return _current.get() or default


def excerpt(text: str, limit: int) -> str:
    """Return foreign text on one printable line, masked, then cut to `limit` characters."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = current_mask().hide(" ".join(printable.split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _forms_of(value: str) -> Iterator[str]:
    """Yield the forms in which a value may be shown; in long ones what `_IGNORED` skips is left out."""
    shown = (
        value,
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
        _quoted(value),
        _quoted(value).replace("/", "\\/"),
        html.escape(value),
        _in_a_url(value, ""),
        _in_a_url(value, "/"),
        quote_plus(value, errors="replace"),
        # A server that expects only ASCII changes it to this.
        "".join(filter(str.isascii, value)),
    )
    for form in shown:
        compact = _IGNORED.sub("", form).translate(_LOWER)
        if len(compact) >= _SHORT:
            yield compact
        elif form == value and form.strip():
            yield form.strip().translate(_LOWER)


def _quoted(value: str) -> str:
    """Return a value as IMAP, JSON and most languages write it between double quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _in_a_url(value: str, safe: str) -> str:
    return quote(value, safe=safe, errors="replace")


def _base64_forms(value: str) -> Iterator[str]:
    """Yield the base64 forms of a value inside a longer text (`user:password`, SASL PLAIN, XOAUTH2).

    A character of base64 has 6 bits: what comes before the value shifts it by 0, 1 or 2 octets, and the first
    and last characters may have bits of the neighbours.
    """
    octets = value.encode("utf-8", "surrogatepass")
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + octets).decode("ascii")
        form = encoded[shift + 1 if shift else 0 : (shift + len(octets)) * 8 // 6]
        if len(form) >= _SHORT:
            yield form


def _whole_word(text: str, start: int, stop: int) -> tuple[int, int]:
    """Extend a place to all of the base64 around it: its ends have bits of the value too."""
    while start and text[start - 1] in _BASE64:
        start -= 1
    while stop < len(text) and text[stop] in _BASE64:
        stop += 1
    return start, stop


def _found(form: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _stands_alone(text: str, start: int, stop: int) -> bool:
    return not (text[max(0, start - 1) : start].isalnum() or text[stop : stop + 1].isalnum())
