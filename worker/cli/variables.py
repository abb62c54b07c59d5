"""Variables from a JSON file, standard input and `--set key=value`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.errors import InputError

VariablesFile = Annotated[
    str | None,
    typer.Option(
        "--variables", metavar="FILE", help="JSON file with the variables, or - for standard input."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set one variable; may be repeated. a.b=x sets b in a; a value that is JSON is read as JSON.",
    ),
]


def read_variables(source: str | None, settings: Sequence[str] | None) -> dict[str, Any]:
    """Return the variables of a file, with those of `--set` over them. Raises InputError."""
    variables = _read_source(source) if source is not None else {}
    for setting in settings or ():
        _set(variables, setting)
    return variables


def _read_source(source: str) -> dict[str, Any]:
    if not source or source.lstrip().startswith("{"):
        found = "JSON" if source else "''"  # not the JSON itself, which may have a password
        raise InputError(
            f"--variables must name a file, or - for standard input; found {found}.", field="--variables"
        )
    place = "Standard input" if source == "-" else source
    try:
        # As bytes: JSON says by itself how it is encoded, also as PowerShell writes it.
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        variables = _read_json(content)
    except OSError as error:
        raise InputError(f"{place} cannot be read: {error.strerror}.", field="--variables") from error
    except RecursionError as error:
        raise InputError(f"{place} is nested too deeply.", field="--variables") from error
    except ValueError as error:
        raise InputError(f"{place} is not valid JSON: {error}.", field="--variables") from error
    if not isinstance(variables, dict):
        raise InputError(f"{place} must be a JSON object.", field="--variables")
    return variables


def _set(variables: dict[str, Any], setting: str) -> None:
    key, separator, text = setting.partition("=")
    *groups, name = key.strip().split(".")
    if not separator or not all((*groups, name)):
        # What is not the key may be a password.
        found = f"found {f'{key}=…'!r}" if separator else "found no ="
        raise InputError(f"--set must be KEY=VALUE; {found}.", field="--set")
    inside = variables
    for group in groups:
        inside = inside.setdefault(group, {})
        if not isinstance(inside, dict):
            raise InputError(f"--set {key}: {group} is a value already, not a group.", field="--set")
    inside[name] = _value(text)


def _value(text: str) -> Any:
    try:
        return _read_json(text)
    except (ValueError, RecursionError):
        return text


def _read_json(content: str | bytes) -> Any:
    """Read JSON; ValueError also for what only Python takes: NaN, and half of a character."""
    value = json.loads(content)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value
