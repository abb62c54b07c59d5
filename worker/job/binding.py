"""Reads a job's variables, with secrets resolved, into the request of an operation, or says what is wrong."""

from __future__ import annotations

import difflib
import fnmatch
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from worker.errors import InputError
from worker.masking import Mask, excerpt
from worker.models.base import MAX_PASSWORD_CHARACTERS
from worker.models.expectation import expectation
from worker.secret_store import SecretStore

R = TypeVar("R", bound=BaseModel)

GROUPS = ("authentication", "server", "parameters")
_SHOWN_CHARACTERS = 60
# The sign-in is never shown, wherever it came from.
_HIDDEN_GROUP = "authentication"
_WITHOUT_FOUND = re.compile(r"[;,:]? found\b")
_NEAR_MISS = re.compile(
    r"(?:\{\{\s*(?!secrets\.)(?:secrets?|SECRETS?|Secrets?)[.:_]([\w.-]+)\s*\}\}"
    r"|\{\s*secrets?\.([\w.-]+)\s*\}|secrets?\.([\w.-]+)|\$\{([\w.-]+)\}|\$\{\{\s*secrets\.([\w.-]+)\s*\}\})"
)


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
    mask: Mask,
    secret_fields: tuple[str, ...],
    notation: Notation = OWN_NOTATION,
) -> R:
    """Read the three variables of an operation into `model`; all others in `variables` do not matter.

    `mask` learns what must not be shown of them. `secret_fields`: patterns of the fields in which
    `{{secrets.NAME}}` is replaced. Raises InputError (field: its path in the diagram, such as
    `parameters.to`) and SecretNotFound.
    """
    groups = {name: variables.get(name) for name in GROUPS}
    # A group that is missing whole is read as empty, so that the message names the field in it.
    given = {name: {} if value is None else value for name, value in groups.items()}
    resolver = _Resolver(partial(secrets.resolve, has_bare=notation.has_bare_secrets), secret_fields)
    resolved = resolver.resolve(given, ())
    _learn_password(resolved["authentication"], mask)
    try:
        request = model.model_validate(resolved)
    except ValidationError as error:
        # A misspelt field is also a missing one: the misspelling is what there is to correct.
        errors = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
        raise _input_error(model, errors[0], resolver.resolved_fields, notation) from None
    _learn_changed(request, resolver.resolved_fields, mask)
    return request


class _Resolver:
    """Replaces the placeholders in the fields that may have them, and notes in which there were any."""

    def __init__(self, resolve: Callable[[str], str], patterns: tuple[str, ...]) -> None:
        self._resolve = resolve
        self._patterns = patterns
        self.resolved_fields: set[tuple[str, ...]] = set()

    def resolve(self, value: Any, path: tuple[str, ...]) -> Any:
        """Return `value`, the field at `path`, with its secrets resolved at any depth."""
        if isinstance(value, str):
            return self._resolve_text(value, path)
        if isinstance(value, Mapping):
            return {name: self.resolve(item, (*path, str(name))) for name, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item, path) for item in value]
        return value

    def _resolve_text(self, text: str, path: tuple[str, ...]) -> str:
        field = ".".join(path)
        if not any(fnmatch.fnmatchcase(field, pattern) for pattern in self._patterns):
            return text
        resolved = self._resolve(text)
        if resolved != text:
            self.resolved_fields.add(path)
        elif (near_miss := _NEAR_MISS.fullmatch(text.strip())) is not None:
            name = near_miss[near_miss.lastindex or 0]
            raise InputError(
                f"{field} looks like a secret but is none; write {{{{secrets.{name}}}}}.", field=field
            )
        return resolved


def _learn_password(authentication: Any, mask: Mask) -> None:
    """Mask the password of a diagram that has it in clear text."""
    password = authentication.get("password") if isinstance(authentication, dict) else None
    if isinstance(password, str) and len(password) <= MAX_PASSWORD_CHARACTERS:
        mask.learn(password)


def _learn_changed(request: BaseModel, fields: Iterable[tuple[str, ...]], mask: Mask) -> None:
    """Mask secrets also as the model has changed them: `04711` to 4711, a host without its brackets."""
    for path in fields:
        value: Any = request
        for name in path:
            value = _field_of(value, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if isinstance(value, (str, int)):
            mask.learn(str(value))


def _field_of(model: Any, alias: str) -> Any:
    fields = type(model).model_fields if isinstance(model, BaseModel) else {}
    return next(
        (getattr(model, name) for name, field in fields.items() if (field.alias or name) == alias), None
    )


def _input_error(
    model: type[BaseModel],
    error: ErrorDetails,
    resolved_fields: AbstractSet[tuple[str, ...]],
    notation: Notation,
) -> InputError:
    path = notation.path(_path(error["loc"]))
    if error["type"] == "extra_forbidden":
        return InputError(_unknown_field(model, error["loc"]), field=path)
    expected = expectation(error)
    location = tuple(map(str, error["loc"]))
    if any(location[: len(field)] == field for field in resolved_fields):
        # A piece of a secret is none that the mask knows.
        return InputError(f"{path} {_WITHOUT_FOUND.split(expected)[0]}.", field=path)
    found = "" if "found" in expected else _found(error)
    return InputError(f"{path} {expected}{found}.", field=path)


def _found(error: ErrorDetails) -> str:
    is_hidden = not error["loc"] or error["loc"][0] == _HIDDEN_GROUP
    if is_hidden or error["type"] == "missing" or isinstance(error["input"], dict):
        return ""
    return f"; found {excerpt(repr(error['input']), _SHOWN_CHARACTERS)}"


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
