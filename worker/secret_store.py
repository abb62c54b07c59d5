"""`{{secrets.NAME}}` -> value, from the environment or from a directory of files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from worker.errors import SecretNotFound
from worker.masking import Mask

# A file of that name cannot be outside of the directory.
_NAME_PATTERN = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_NAME = re.compile(_NAME_PATTERN)
_BRACES = r"\{\{([^{}]*)\}\}"
_PLACEHOLDER = re.compile(_BRACES)
# Both in one pass: the value of a secret is never read as a placeholder.
_PLACEHOLDER_OR_BARE = re.compile(rf"{_BRACES}|(?<![\w.-])secrets\.({_NAME_PATTERN})")
_LARGEST_FILE = 64 * 1024


class SecretStore:
    """Looks secrets up as `PREFIX + NAME` in the environment, then as a file NAME in a directory.

    Files are read each time: Kubernetes changes them in place when a secret is rotated. `mask` hides the
    values that have been looked up, in all texts of the worker.
    """

    def __init__(self, environment: Mapping[str, str], *, prefix: str, directory: Path | None) -> None:
        self._environment = environment
        self._prefix = prefix
        self._directory = directory
        self.mask = Mask()

    def resolve(self, text: str, *, has_bare: bool = False) -> str:
        """Replace the placeholders in `text` by the values; raises SecretNotFound.

        `has_bare`: `secrets.NAME` counts without braces too. A blank secret counts as missing; a
        file that is not UTF-8 or is larger than 64 kB counts as missing too.
        """
        placeholder = _PLACEHOLDER_OR_BARE if has_bare else _PLACEHOLDER
        return placeholder.sub(self._resolved, text)

    def _resolved(self, match: re.Match[str]) -> str:
        name = match[match.lastindex or 0].strip()
        if match.lastindex == 1:
            if not name.startswith("secrets."):
                return match[0]
            name = name.removeprefix("secrets.")
        return self._value(name)

    def _value(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise SecretNotFound(
                f"{name[:60]!r} cannot name a secret: letters, digits, _, - and single dots can.",
                secret=name[:60],
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
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        # utf-8-sig: editors of Windows begin a file with a byte order mark.
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    return None if len(content) > _LARGEST_FILE else text.removesuffix("\n").removesuffix("\r")
