"""`{{secrets.NAME}}` -> value, and the mask that keeps every such value out of what people read."""

from __future__ import annotations

import base64
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from worker.errors import SecretNotFound

# A file of that name cannot be outside of the directory.
_NAME_PATTERN = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_PLACEHOLDER = re.compile(r"\{\{\s*secrets\.([^{}]*?)\s*\}\}")
# Both in one pass: what a secret holds is never read as a placeholder.
_PLACEHOLDER_OR_BARE = re.compile(rf"{_PLACEHOLDER.pattern}|(?<![\w.-])secrets\.({_NAME_PATTERN})")
_NAME = re.compile(_NAME_PATTERN)
_MASK = "***"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
# About a thousand values; the oldest go first.
_KEPT_FORMS = 4_000
# Shorter values are hidden only where they stand alone: else the mask would eat ordinary words.
_SHORT = 4
# What stands where a text was cut; the piece of a value before it is hidden from this length on.
_CUT = "…"
_SHORTEST_PIECE = 3
_SCALARS = frozenset({str, int, float, bool, type(None)})


class Mask:
    """Replaces secret values, also in the forms in which mail servers may echo them, by `***` in any text."""

    def __init__(self) -> None:
        self._forms: OrderedDict[str, None] = OrderedDict()

    def learn(self, value: str) -> None:
        """Hide `value` from now on: as it is, in base64, quoted as in IMAP, and as answers are shown."""
        for form in _forms_of(value):
            self._learn_form(form)

    def learn_sign_in(self, username: str, password: str) -> None:
        """Hide the password, and both together as SASL PLAIN (RFC 4616) encodes them."""
        self.learn(password)
        self._learn_form(_base64(f"\0{username}\0{password}"))

    def hide(self, text: str) -> str:
        """Return `text` without any secret value, nor a piece that overlaps another or was cut off."""
        # Only the last cut can be ours: what a server says before it may hold any number of them.
        cut = text.rfind(_CUT)
        if cut < 0 and not any(form in text for form in self._forms):  # nearly all texts
            return text
        shown: list[str] = []
        end = 0
        for start, stop in sorted(place for form in self._forms for place in _places(form, text, cut)):
            if start >= end:
                shown += (text[end:start], _MASK)
            end = max(end, stop)
        return "".join((*shown, text[end:]))

    def hide_in(self, value: Any) -> Any:
        """Return `value` with every string in it masked; what is not JSON is read as text."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            if self._is_harmless(value):
                return dict(value)
            return {name: self.hide_in(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hide_in(item) for item in value]
        is_harmless = value is None or isinstance(value, (bool, int, float))
        return value if is_harmless else self.hide(str(value))

    def _is_harmless(self, value: Mapping[Any, Any]) -> bool:
        """Tell, by one look for each form at all of the texts together, whether they may stay as they are."""
        if not all(type(item) in _SCALARS for item in value.values()):
            return False
        texts = "\0".join(item for item in value.values() if isinstance(item, str))
        return _CUT not in texts and self.hide(texts) == texts

    def _learn_form(self, form: str) -> None:
        self._forms[form] = None
        self._forms.move_to_end(form)
        while len(self._forms) > _KEPT_FORMS:
            self._forms.popitem(last=False)


class SecretStore:
    """Looks secrets up as `PREFIX + NAME` in the environment, then as a file NAME in a directory.

    Files are read anew each time: Kubernetes changes them in place when a secret is rotated.
    """

    def __init__(self, environment: Mapping[str, str], *, prefix: str, directory: Path | None) -> None:
        self._environment = environment
        self._prefix = prefix
        self._directory = directory
        self.mask = Mask()

    def reveal(self, text: str, *, has_bare: bool = False) -> str:
        """Put the values in place of the placeholders in `text`; raises SecretNotFound.

        `has_bare`: `secrets.NAME` counts without braces too. A blank secret counts as missing, and so does
        a file that is not UTF-8.
        """
        placeholder = _PLACEHOLDER_OR_BARE if has_bare else _PLACEHOLDER
        return placeholder.sub(lambda match: self._value(match[match.lastindex or 0]), text)

    def _value(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise SecretNotFound(
                f"{name!r} cannot name a secret: letters, digits, _, - and single dots can.", secret=name
            )
        value = self._environment.get(self._prefix + name)
        if not value and self._directory is not None:
            value = _read_file(self._directory / name)
        if not value:
            raise SecretNotFound(self._missing(name), secret=name)
        self.mask.learn(value)
        return value

    def _missing(self, name: str) -> str:
        places = f"the environment variable {self._prefix}{name}"
        if self._directory is not None:
            places += f" and the file {self._directory / name}"
        return f"The secret {name} is not known to the worker; looked for {places}."


def _read_file(path: Path) -> str | None:
    try:
        return path.read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError):
        return None


# Each job brings its sign-in again.
@lru_cache(maxsize=1_000)
def _forms_of(value: str) -> tuple[str, ...]:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    forms = (value, _base64(value), quoted, repr(value)[1:-1], *_shown(value))
    return tuple(dict.fromkeys(form for form in forms if form.strip()))


def _base64(value: str) -> str:
    return base64.b64encode(value.encode("utf-8", "surrogatepass")).decode("ascii")


def _shown(value: str) -> Iterator[str]:
    """Give what is left of a value where a server's answer is made one printable line, at its end too."""
    spaced = "".join(character if character.isprintable() else " " for character in value)
    for text in (value, _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value), spaced):
        yield text.strip()
        yield " ".join(text.split()).rstrip(".")


def _places(form: str, text: str, cut: int) -> Iterator[tuple[int, int]]:
    for length in range(min(len(form) - 1, cut), _SHORTEST_PIECE - 1, -1):
        if text.endswith(form[:length], 0, cut):
            yield cut - length, cut
            break
    start = text.find(form)
    while start >= 0:
        stop = start + len(form)
        if len(form) >= _SHORT or _stands_alone(text, start, stop):
            yield start, stop
        start = text.find(form, start + 1)


def _stands_alone(text: str, start: int, stop: int) -> bool:
    return not (text[max(0, start - 1) : start].isalnum() or text[stop : stop + 1].isalnum())
