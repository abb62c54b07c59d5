"""Reads a job's variables, with secrets resolved, into the request of an operation, or says what is wrong."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from worker.errors import InputError
from worker.job.assignment import OWN_NOTATION, Notation
from worker.job.input_faults import GROUPS, InputFaults
from worker.masking import Mask, excerpt
from worker.models.authentication import SECRETS
from worker.models.bounds import (
    ENTRIES,
    FIELD_NAME_CHARACTERS,
    FIELDS,
    LEVELS,
    PASSWORD_CHARACTERS,
    PLACEHOLDERS,
)
from worker.secret_store import SecretStore

R = TypeVar("R", bound=BaseModel)

_NAME = r"\s*([\w.-]+)\s*"
# A name in braces or behind the word secret, which is no placeholder: `{{secret.PW}}`, `${PW}`, `secrets.PW`.
_NEAR_MISS = re.compile(
    rf"(?:\$?\{{{{1,2}}\s*secrets?[.:/_\s]|[=#$\"\[]{{0,2}}\{{?(?:camunda\.)?secrets?\.){_NAME}[}}\]\"]{{0,2}}"
    rf"|[$#%]\{{{_NAME}\}}|\$\({_NAME}\)|\{{\{{{_NAME}\}}\}}",
    re.IGNORECASE,
)
# What is around a placeholder and cannot be seen is not meant.
_LONE = re.compile(r"[\s\ufeff\u200b\u2060]*(\{\{[^{}]*\}\})[\s\ufeff\u200b\u2060]*")


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

    `mask` learns the secret values. `secret_fields`: patterns of the fields in which
    `{{secrets.NAME}}` is replaced. Raises InputError (field: its path in the diagram, such as
    `parameters.to`) and SecretNotFound.
    """
    # A group that is missing is read as empty: some operations need none of its fields.
    given = {name: {} if (value := variables.get(name)) is None else value for name in GROUPS}
    # Before an error can quote them.
    _learn_secrets(given["authentication"], mask, unless=_names_a_secret)
    for name, value in given.items():
        if isinstance(value, dict):
            _check_fields(name, value)
    resolver = _Resolver(partial(secrets.resolve, has_bare=notation.has_bare_secrets), secret_fields)
    resolved = resolver.resolve(given, ())
    _learn_secrets(resolved["authentication"], mask)
    try:
        request = model.model_validate(resolved)
    except ValidationError as error:
        faults = InputFaults(model, variables, resolver.resolved_fields, notation)
        raise faults.error(error.errors(include_url=False)) from None
    _learn_changed(request, resolver.resolved_fields, mask)
    return request


def _check_fields(group: str, fields: Mapping[str, Any]) -> None:
    if len(fields) > FIELDS:
        raise InputError(f"{group} must have at most {FIELDS} fields; found {len(fields):,}.", field=group)
    if any(len(name) > FIELD_NAME_CHARACTERS for name in fields):
        raise InputError(
            f"{group} must have fields with names of at most {FIELD_NAME_CHARACTERS} characters.", field=group
        )


def _too_many(field: str, most: int, what: str) -> str:
    return f"{field} is refused: all fields together must have at most {most:,} {what}."


class _Resolver:
    """Replaces the placeholders in the fields that may have them, and notes in which there were any."""

    def __init__(self, resolve: Callable[[str], str], patterns: tuple[str, ...]) -> None:
        self._resolve = resolve
        self._patterns = patterns
        self._entries = self._placeholders = 0
        self.resolved_fields: set[tuple[str, ...]] = set()

    def resolve(self, value: Any, path: tuple[str, ...], level: int = 0) -> Any:
        """Return `value`, the field at `path`, with its secrets resolved; raises InputError above a limit."""
        if isinstance(value, str):
            return self._resolve_text(value, path)
        if not isinstance(value, Mapping | list):
            return value
        field = ".".join(path[:2])
        if level > LEVELS:
            raise InputError(f"{field} is nested more than {LEVELS} levels deep.", field=field)
        self._entries += len(value)
        if self._entries > ENTRIES:
            raise InputError(_too_many(field, ENTRIES, "entries"), field=field)
        if isinstance(value, Mapping):
            return {name: self.resolve(item, (*path, str(name)), level + 1) for name, item in value.items()}
        return [self.resolve(item, path, level + 1) for item in value]

    def _resolve_text(self, text: str, path: tuple[str, ...]) -> str:
        field = ".".join(path)
        if not any(fnmatch.fnmatchcase(field, pattern) for pattern in self._patterns):
            return text
        self._placeholders += text.count("secrets.")
        if self._placeholders > PLACEHOLDERS:
            raise InputError(_too_many(field, PLACEHOLDERS, "secrets"), field=field)
        lone = _LONE.fullmatch(text)
        resolved = self._resolve(lone[1] if lone else text)
        if resolved != text:
            self.resolved_fields.add(path)
        elif (near_miss := _NEAR_MISS.fullmatch(text.strip())) is not None:
            name = excerpt(near_miss[near_miss.lastindex or 0], FIELD_NAME_CHARACTERS)
            raise InputError(
                f"{field} looks like a secret but is none; write {{{{secrets.{name}}}}}.", field=field
            )
        return resolved


def _learn_secrets(authentication: Any, mask: Mask, unless: Callable[[str], bool] = lambda _: False) -> None:
    """Mask passwords, tokens and keys of a diagram that has them in clear text."""
    given = authentication if isinstance(authentication, dict) else {}
    values = (str(value) for value in map(given.get, SECRETS) if isinstance(value, str | int | float))
    for value in values:
        if len(value) <= PASSWORD_CHARACTERS and not unless(value):
            mask.learn(value)


def _names_a_secret(text: str) -> bool:
    return "{{" in text or _NEAR_MISS.fullmatch(text.strip()) is not None


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
