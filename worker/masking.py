"""Hides secrets in texts that people read, and shortens foreign texts: first masked, then cut."""

from __future__ import annotations

import base64
import html
import re
import string
import unicodedata
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

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
_BLANK = r"[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2060\ufeff\ufffd\ud800-\udfff]+"
_IGNORED = re.compile(_BLANK)
_CODE = re.compile(r"\d[\d.]\d")
# The same, and a reply code at the start of a line (RFC 5321, 4.2.1) with its status (RFC 2034).
_IGNORED_WITH_CODES = re.compile(
    rf"{_BLANK}(?:[2-5]\d\d[ -]{_BLANK[:-1]}*)?(?:[245]\.\d{{1,3}}\.\d{{1,3}} )?"
)

# `%C3%A9`, `=C3=A9`, `\\xe9`, `\\u00e9`, `&#233;`, `&eacute;`; a backslash before a sign, a soft line break.
_ESCAPED = re.compile(
    r"(?i)(?:[%=][0-9a-f][0-9a-f]|\\++x[0-9a-f][0-9a-f])++|(?:\\++u[0-9a-f]{4})++|\\++[nrt]?|&#?\w{1,8};"
    r"|=(?=[\r\n])"
)
_HIDDEN = re.compile(rb"\x01++")
# Of an escape, what is no digit.
_SIGNS = str.maketrans("", "", "%=\\xXuU")
_MOST_ESCAPED = 3


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
        for form, is_base64 in (*encoded, *((form, False) for form in _forms_of(value))):
            self._forms[form] = is_base64
            self._forms.move_to_end(form)
        while len(self._forms) > _MAX_FORMS:
            self._forms.popitem(last=False)

    def hide(self, text: str) -> str:
        """Return `text` without any secret value."""
        hidden = bytearray(len(text))
        for start, stop in self._places(text):
            hidden[start:stop] = b"\1" * (stop - start)
        shown: list[str] = []
        end = 0
        for run in _HIDDEN.finditer(hidden):
            shown += (text[end : run.start()], _MASK)
            end = run.end()
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
        forms = list(self.forms())
        if not forms:
            return
        lowered = text.translate(_LOWER)
        for word in (form for form, _ in forms if _is_word(form)):
            yield from (place for place in _found(word, lowered) if _stands_alone(text, *place))
        forms = [each for each in forms if not _is_word(each[0])]
        for reading in _readings_of(text):
            lowered, encoded = reading.compact.translate(_LOWER), reading.compact.translate(_URL_SAFE)
            for form, is_base64 in forms:
                searched = encoded if is_base64 else lowered
                # Asked first, as there may be thousands of forms, and hardly ever one of them is there.
                if form not in searched:
                    continue
                places = (reading.place(*run) for run in _runs(form, searched))
                if is_base64:
                    yield from _whole_words(text, places)
                else:
                    is_long = len(form) >= _SHORT
                    yield from (place for place in places if is_long or _stands_alone(text, *place))


def _is_word(form: str) -> bool:
    """Tell whether a form is hidden only where it stands as it is, and alone."""
    return len(form) < _SHORT and form.isascii()


def _readings_of(text: str) -> Iterator[_Reading]:
    for ignored in (_IGNORED, _IGNORED_WITH_CODES) if _CODE.search(text) else (_IGNORED,):
        reading = _Reading(text, ignored)
        yield reading
        for _ in range(_MOST_ESCAPED):
            if not _ESCAPED.search(reading.compact):
                break
            reading = _Reading(reading.compact, _ESCAPED, reading)
            yield reading


class _Reading:
    """A text without what is ignored between the characters of a value, or with its escapes read.

    `outer`: the reading whose text this one reads.
    """

    def __init__(self, text: str, pattern: re.Pattern[str], outer: _Reading | None = None) -> None:
        self._text, self._pattern, self._outer = text, pattern, outer
        self.compact = pattern.sub(_meant, text)
        # Where each character of `compact` begins and ends in the text.
        self._starts, self._stops = array("I"), array("I")

    def place(self, start: int, stop: int) -> tuple[int, int]:
        """Return where a part of `compact` begins and ends in the outermost text."""
        if not self._starts:
            self._find_places()
        place = self._starts[start], self._stops[stop - 1]
        return self._outer.place(*place) if self._outer else place

    def _find_places(self) -> None:
        end = 0
        for found in self._pattern.finditer(self._text):
            count = len(_meant(found))
            self._starts.extend((*range(end, found.start()), *([found.start()] * count)))
            self._stops.extend((*range(end + 1, found.start() + 1), *([found.end()] * count)))
            end = found.end()
        self._starts.extend(range(end, len(self._text)))
        self._stops.extend(range(end + 1, len(self._text) + 1))


def _meant(found: re.Match[str]) -> str:
    """Return what an escape stands for, without what is ignored."""
    text = found[0]
    if text[0] == "&":
        meant = html.unescape(text)
    elif text[0] not in "%=\\" or text[-1] not in string.hexdigits:
        meant = ""
    else:
        octets = bytes.fromhex(text.translate(_SIGNS))
        if "u" in text.lower():
            meant = octets.decode("utf-16-be", "replace")
        else:
            try:
                meant = octets.decode()
            except UnicodeDecodeError:
                meant = octets.decode("latin-1")
    return _IGNORED.sub("", meant)


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


class _Printable(dict[int, int]):
    """Translates each character that cannot be printed to a blank."""

    def __missing__(self, code: int) -> int:
        return code if chr(code).isprintable() else ord(" ")


_PRINTABLE = _Printable()


def excerpt(text: str, limit: int) -> str:
    """Return foreign text on one printable line, masked, then cut to `limit` characters."""
    line = text.translate(_PRINTABLE)
    while "  " in line:
        line = line.replace("  ", " ")
    line = current_mask().hide(line.strip())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _forms_of(value: str) -> Iterator[str]:
    """Yield the forms in which a value may be shown; in long ones what is ignored is left out."""
    shown = (
        value,
        # In a form of HTML, and in a header.
        value.replace(" ", "+"),
        value.replace(" ", "_"),
        # A server that expects only ASCII changes it to these.
        "".join(filter(str.isascii, value)),
        value.encode("ascii", "replace").decode(),
        # One that takes UTF-8 for another character set, or composes letters and accents, to these.
        value.encode("utf-8", "replace").decode("latin-1"),
        value.encode("utf-8", "replace").decode("cp1252", "ignore"),
        unicodedata.normalize("NFC", value),
        unicodedata.normalize("NFD", value),
    )
    for form in dict.fromkeys(shown):
        # As in each of its readings: a backslash in a value is one, or the sign of an escape.
        for reading in _readings_of(form):
            lowered = reading.compact.translate(_LOWER)
            if len(lowered) >= _SHORT or not lowered.isascii():
                yield lowered
        if form == value and len(_IGNORED.sub("", form)) < _SHORT and form.strip():
            yield form.strip().translate(_LOWER)


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


def _whole_words(text: str, places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Extend places to all of the base64 around them, each once: its ends have bits of the value too."""
    end = 0
    for start, stop in places:
        if stop <= end:
            continue
        begin = start
        while begin > end and text[begin - 1] in _BASE64:
            begin -= 1
        end = stop
        while end < len(text) and text[end] in _BASE64:
            end += 1
        yield begin, end


def _found(form: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _runs(form: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield where a form is found; places that overlap or touch are one, in time that grows with the text."""
    size, backwards = len(form), form[::-1]
    start = text.find(form)
    while start >= 0:
        stop = start + size
        while (behind := text[stop - size + 1 : stop + size][::-1].find(backwards)) >= 0:
            stop = min(stop + size, len(text)) - behind
        yield start, stop
        start = text.find(form, stop)


def _stands_alone(text: str, start: int, stop: int) -> bool:
    return not (text[max(0, start - 1) : start].isalnum() or text[stop : stop + 1].isalnum())
