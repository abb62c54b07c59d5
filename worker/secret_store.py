"""`{{secrets.NAME}}` -> value, and the mask that keeps every such value out of what people read."""

from __future__ import annotations

import base64
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker.errors import SecretNotFound

_PLACEHOLDER = re.compile(r"\{\{\s*secrets\.([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\s*\}\}")
_MASK = "***"
_KEPT_VALUES = 1_000
# Shorter values are hidden only where they stand alone: else the mask would eat ordinary words.
_SHORT = 4


class Mask:
    """Replaces secret values, also as SMTP, IMAP and POP3 send them (base64), by `***` in any text."""

    def __init__(self) -> None:
        self._forms: OrderedDict[str, None] = OrderedDict()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, value: str) -> None:
        """Hide `value` from now on. The last thousand forms are kept."""
        for form in (value, _base64(value)):
            self._learn_form(form)

    def learn_sign_in(self, username: str, password: str) -> None:
        """Hide the password, and both together as SASL PLAIN (RFC 4616) encodes them."""
        self.learn(password)
        self._learn_form(_base64(f"\0{username}\0{password}"))

    def hide(self, text: str) -> str:
        """Return `text` without any secret value."""
        if self._pattern is None:
            self._pattern = _pattern(self._forms)
        return self._pattern.sub(_MASK, text) if self._forms else text

    def hide_in(self, value: Any) -> Any:
        """Return JSON `value` with every string in it masked."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {name: self.hide_in(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hide_in(item) for item in value]
        return value

    def _learn_form(self, form: str) -> None:
        if not form:
            return
        if form not in self._forms:
            self._forms[form] = None
            self._pattern = None
        self._forms.move_to_end(form)
        while len(self._forms) > _KEPT_VALUES:
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

    def reveal(self, text: str) -> str:
        """Put the values in place of the placeholders in `text`; raises SecretNotFound."""
        return _PLACEHOLDER.sub(lambda match: self._value(match[1]), text)

    def _value(self, name: str) -> str:
        value = self._environment.get(self._prefix + name)
        if value is None and self._directory is not None:
            value = _read_file(self._directory / name)
        if value is None:
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
    except OSError:
        return None


def _base64(value: str) -> str:
    return base64.b64encode(value.encode("utf-8", "surrogatepass")).decode("ascii")


def _pattern(forms: Mapping[str, None]) -> re.Pattern[str]:
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(_form_pattern, longest_first)))


def _form_pattern(form: str) -> str:
    escaped = re.escape(form)
    return escaped if len(form) >= _SHORT else rf"(?<!\w){escaped}(?!\w)"
