"""A job's variables, with the secrets put in, become the request of an operation, or one clear sentence."""

from __future__ import annotations

import difflib
import fnmatch
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from worker.errors import InputError
from worker.models.expectation import expectation
from worker.secret_store import Mask, SecretStore

R = TypeVar("R", bound=BaseModel)

GROUPS = ("authentication", "server", "parameters")
_SHOWN_CHARACTERS = 60
# The sign-in is never shown, wherever it came from.
_HIDDEN_GROUP = "authentication"


@dataclass(frozen=True, slots=True)
class Notation:
    """How a diagram writes what we read.

    `field_names`: what it calls our fields or groups of them, by our paths. `has_bare_secrets`: whether
    `secrets.NAME` counts without braces too.
    """

    field_names: Mapping[str, str]
    has_bare_secrets: bool = False

    def path(self, ours: str) -> str:
        """Return the diagram's path for ours, by the longest part of it that has a name there."""
        known = [name for name in self.field_names if re.match(rf"{re.escape(name)}(?![^.\[])", ours)]
        longest = max(known, key=len, default="")
        return self.field_names.get(longest, "") + ours.removeprefix(longest)


OWN_NOTATION = Notation({})


def bind(
    model: type[R],
    variables: Mapping[str, Any],
    *,
    secrets: SecretStore,
    secret_fields: tuple[str, ...],
    notation: Notation = OWN_NOTATION,
) -> R:
    """Read the three variables of an operation into `model`; all others in `variables` do not matter.

    `secret_fields`: patterns of the fields in which `{{secrets.NAME}}` is replaced. Raises InputError
    (field: its path in the diagram, such as `parameters.to`) and SecretNotFound.
    """
    groups = {name: variables.get(name) for name in GROUPS}
    # A group that is missing whole is read as empty, so that the message names the field in it.
    given = {name: {} if value is None else value for name, value in groups.items()}
    reveal = partial(secrets.reveal, has_bare=notation.has_bare_secrets)
    revealed = _reveal(given, (), reveal=reveal, patterns=secret_fields)
    _learn_sign_in(revealed["authentication"], secrets)
    try:
        return model.model_validate(revealed)
    except ValidationError as error:
        # A misspelt field is also a missing one: the misspelling is what there is to correct.
        errors = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
        raise _input_error(model, errors[0], secrets.mask, notation) from None


def _reveal(
    value: Any, path: tuple[str, ...], *, reveal: Callable[[str], str], patterns: tuple[str, ...]
) -> Any:
    if isinstance(value, str):
        is_allowed = "secrets." in value and any(
            fnmatch.fnmatchcase(".".join(path), pattern) for pattern in patterns
        )
        return reveal(value) if is_allowed else value
    if isinstance(value, Mapping):
        return {
            name: _reveal(item, (*path, str(name)), reveal=reveal, patterns=patterns)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_reveal(item, path, reveal=reveal, patterns=patterns) for item in value]
    return value


def _learn_sign_in(authentication: Any, secrets: SecretStore) -> None:
    """A password that stands in the diagram in clear text is masked like any secret."""
    if not isinstance(authentication, dict):
        return
    username, password = authentication.get("username"), authentication.get("password")
    if isinstance(password, str) and password.strip():
        secrets.mask.learn_sign_in(str(username), password)


def _input_error(model: type[BaseModel], error: ErrorDetails, mask: Mask, notation: Notation) -> InputError:
    path = notation.path(_path(error["loc"]))
    if error["type"] == "extra_forbidden":
        return InputError(_unknown_field(model, error["loc"]), field=path)
    expected = expectation(error)
    found = "" if "found" in expected else _found(error, mask)
    return InputError(f"{path} {expected}{found}.", field=path)


def _found(error: ErrorDetails, mask: Mask) -> str:
    is_hidden = not error["loc"] or error["loc"][0] == _HIDDEN_GROUP
    if is_hidden or error["type"] == "missing" or isinstance(error["input"], dict):
        return ""
    # Masked before it is cut: the mask would not know half a secret.
    shown = repr(mask.hide_in(error["input"]))
    return f"; found {shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + '…'}"


def _path(location: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".")


def _unknown_field(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    unknown, prefix = str(location[-1]), _path(location[:-1])
    # A field may stand in the wrong group: then the right group has one of exactly that name.
    close = [path for path in _all_paths(model) if path.rpartition(".")[2] == unknown]
    known = {name.lower(): name for name in _fields_at(model, location[:-1])}
    close += [f"{prefix}.{known[name]}" for name in difflib.get_close_matches(unknown.lower(), known, n=1)]
    hint = f"did you mean {close[0]}?" if close else f"{prefix} has {', '.join(known.values())}."
    return f"{_path(location)} is not a field of this operation; {hint}"


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> Iterator[str]:
    for part in location:
        inner = _model_of(model, str(part))
        if inner is None:
            return
        model = inner
    for name, field in model.model_fields.items():
        yield field.alias or name


def _all_paths(model: type[BaseModel]) -> Iterator[str]:
    for group in _fields_at(model, ()):
        yield from (f"{group}.{name}" for name in _fields_at(model, (group,)))


def _model_of(model: type[BaseModel], alias: str) -> type[BaseModel] | None:
    for name, field in model.model_fields.items():
        if (field.alias or name) == alias:
            options = (
                typing.get_args(field.annotation)
                if isinstance(field.annotation, types.UnionType)
                else (field.annotation,)
            )
            return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
    return None
