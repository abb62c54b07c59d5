"""`{{secrets.NAME}}` -> value, from the environment or from a directory of files."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from worker.errors import InputError, SecretNotFound
from worker.masking import Mask, excerpt

# A file of that name cannot be outside of the directory.
_NAME_PATTERN = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_NAME = re.compile(_NAME_PATTERN)
_BRACES = r"\{\{([^{}]*)\}\}"
_PLACEHOLDER = re.compile(_BRACES)
# Both in one pass: the value of a secret is never read as a placeholder.
_PLACEHOLDER_OR_BARE = re.compile(rf"{_BRACES}|(?<![\w.-])secrets\.({_NAME_PATTERN})")
_LARGEST_FILE = 64 * 1024
_LONGEST_NAME = 200
_SHOWN_CHARACTERS = 60


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

        `has_bare`: `secrets.NAME` counts without braces too. An empty secret counts as missing, and so does
        a file that is not UTF-8 or larger than 64 kB; the error says so.
        """
        placeholder = _PLACEHOLDER_OR_BARE if has_bare else _PLACEHOLDER
        return placeholder.sub(self._resolved, text)

    def names(self) -> dict[str, str]:
        """Return the name of each secret that there is, with where it comes from; values are not read."""
        found = dict.fromkeys((path.name for path in self._files()), "file")
        given = (name for name, value in self._environment.items() if name.startswith(self._prefix) and value)
        return found | dict.fromkeys((name.removeprefix(self._prefix) for name in given), "environment")

    def faults(self) -> list[str]:
        """Return a sentence for each file of the directory that cannot be used as a secret."""
        read = ((path, _read_file(path)[1]) for path in self._files())
        return [
            f"The secret {path.name} cannot be used: the file {path} {fault}."
            for path, fault in read
            if fault
        ]

    def _files(self) -> list[Path]:
        if self._directory is None:
            return []
        try:
            return sorted(
                path for path in self._directory.iterdir() if _NAME.fullmatch(path.name) and path.is_file()
            )
        except OSError:
            return []

    def _resolved(self, match: re.Match[str]) -> str:
        name = match[match.lastindex or 0].strip()
        if match.lastindex == 1:
            if not name.startswith("secrets."):
                return match[0]
            name = name.removeprefix("secrets.")
        return self._value(name)

    def _value(self, name: str) -> str:
        if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
            shown = excerpt(name, _SHOWN_CHARACTERS)
            raise SecretNotFound(
                f"{shown!r} cannot name a secret: letters, digits, _, - and dots can, up to {_LONGEST_NAME}.",
                secret=shown,
            )
        value, fault = self._environment.get(self._prefix + name), None
        if not value and self._directory is not None:
            value, fault = _read_file(self._directory / name)
        if not value:
            raise SecretNotFound(self._missing(name, fault), secret=name)
        self.mask.learn(value)
        return value

    def _missing(self, name: str, fault: str | None) -> str:
        variable, file = self._prefix + name, self._directory and self._directory / name
        if fault is not None:
            return f"The secret {name} cannot be used: the file {file} {fault}."
        if variable in self._environment:
            return f"The secret {name} cannot be used: the environment variable {variable} is empty."
        places = f"the environment variable {variable}" + (f" and the file {file}" if file else "")
        return f"The secret {name} is not known to the worker; looked for {places}."


def check_directory(directory: Path | None) -> None:
    """Raise InputError if the directory of the secrets is given but is none."""
    if directory is None:
        return
    try:
        is_directory = stat.S_ISDIR(directory.stat().st_mode)
    except FileNotFoundError:
        fault = "does not exist"
    except OSError as error:
        fault = f"cannot be used ({(error.strerror or str(error)).lower()})"
    else:
        if is_directory and os.access(directory, os.X_OK):
            return
        fault = "cannot be read by the worker's user" if is_directory else "is not a directory"
    raise InputError(f"EMAIL_WORKER_SECRETS_DIR: {directory} {fault}.", field="EMAIL_WORKER_SECRETS_DIR")


def _read_file(path: Path) -> tuple[str, str | None]:
    """Return the text of a secret's file, and what is wrong with it; neither if there is no such file."""
    try:
        if not path.is_file():  # a pipe would wait for somebody who writes
            return "", None
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        # utf-8-sig: editors of Windows begin a file with a byte order mark.
        text = content.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        return "", f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        return "", "is not UTF-8 text"
    if len(content) > _LARGEST_FILE:
        return "", "is larger than 64 kB"
    return text, None if text else "is empty"
