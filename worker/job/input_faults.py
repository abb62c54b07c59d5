"""Says all that is wrong with the variables of a job, each fault as one sentence."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from worker.errors import InputError
from worker.job.assignment import Notation
from worker.models.expectation import expectation, shown

GROUPS = ("authentication", "server", "parameters")


def _misspelt_groups() -> dict[str, str]:
    """Return names that are nearly those of the groups, each with the group that is meant.

    They have a letter less, two letters exchanged, or a capital.
    """
    found = {name.capitalize(): name for name in GROUPS}
    for name in GROUPS:
        found |= {name[:at] + name[at + 1 :]: name for at in range(len(name))}
        found |= {name[:at] + name[at + 1] + name[at] + name[at + 2 :]: name for at in range(len(name) - 1)}
    return {misspelt: name for misspelt, name in found.items() if misspelt not in GROUPS}


MISSPELT_GROUPS = _misspelt_groups()


def refuse_misspelt_groups(model: type[BaseModel], variables: Mapping[str, Any]) -> None:
    """Raise InputError for a group that is missing because its name is misspelt, as a default hides that.

    Another variable of the process may have such a name; a group is a context with fields of the group.
    """
    for misspelt, name in MISSPELT_GROUPS.items():
        group = variables.get(misspelt)
        if name in variables or not isinstance(group, Mapping):
            continue
        if not group or not group.keys().isdisjoint(_names_at(model, name)):
            raise InputError(_is_missing(name, misspelt), field=name)


def _is_missing(name: str, misspelt: str) -> str:
    return f"{name} is missing, but there is {misspelt}; did you mean {name}?"


_MOST_FAULTS = 10
# The sign-in is never shown, from any source.
_HIDDEN_GROUP = "authentication"
_WITHOUT_FOUND = re.compile(r"[;,:]? found\b")


class InputFaults:
    """Says all that is wrong with the variables of a job, each as a sentence."""

    def __init__(
        self,
        model: type[BaseModel],
        variables: Mapping[str, Any],
        resolved_fields: AbstractSet[tuple[str, ...]],
        notation: Notation,
    ) -> None:
        self._model = model
        self._variables = variables
        self._resolved_fields = resolved_fields
        self._notation = notation

    def error(self, errors: list[ErrorDetails]) -> InputError:
        """Return one error for all of them, misspelt fields first."""
        unknown = [error for error in errors if error["type"] == "extra_forbidden"]
        hints = {_path(error["loc"]): _suggestion(self._model, error["loc"]) for error in unknown}
        sentences = {path: _unknown_field(self._model, path, hint) for path, hint in hints.items()}
        for error in errors:
            path = _path(error["loc"])
            group = str(error["loc"][0]) if error["loc"] else ""
            if group and self._variables.get(group) is None:
                sentences.setdefault(self._notation.path(group), self._missing_group(group))
            # A misspelt field is also a missing one: only the misspelling must be corrected.
            elif path not in hints and not (error["type"] == "missing" and path in hints.values()):
                sentences.setdefault(self._notation.path(path), self._sentence(error))
        return _input_error(sentences)

    def _missing_group(self, group: str) -> str:
        name = self._notation.path(group)
        others = [other for other in self._variables if other not in GROUPS]
        close = difflib.get_close_matches(group, others, n=1)
        if close:
            return _is_missing(name, close[0])
        return f"{name} is {'null: its expression gave nothing' if group in self._variables else 'missing'}."

    def _sentence(self, error: ErrorDetails) -> str:
        path = self._notation.path(_path(error["loc"]))
        if error["type"] == "missing" and _is_null(self._variables, error["loc"]):
            return f"{path} is null: its expression gave nothing."
        expected = expectation(error)
        location = tuple(map(str, error["loc"]))
        if any(location[: len(field)] == field for field in self._resolved_fields):
            # The mask does not know parts of a secret.
            return f"{path} {_WITHOUT_FOUND.split(expected)[0]}."
        found = "" if "found" in expected else _found(error)
        return f"{path} {expected}{found}."


def _input_error(sentences: Mapping[str, str]) -> InputError:
    shown = list(sentences.values())[:_MOST_FAULTS]
    if len(sentences) > _MOST_FAULTS:
        shown.append(f"There are {len(sentences) - _MOST_FAULTS} more faults.")
    paths = list(sentences)
    more = {"fields": paths} if len(paths) > 1 else {}
    return InputError(" ".join(shown), field=paths[0], **more)


def _is_null(variables: Any, location: tuple[int | str, ...]) -> bool:
    """Whether the job gives the field, but as null."""
    for part in location[:-1]:
        variables = variables.get(part) if isinstance(variables, Mapping) else None
    return isinstance(variables, Mapping) and variables.get(location[-1], "missing") is None


def _found(error: ErrorDetails) -> str:
    is_hidden = not error["loc"] or error["loc"][0] == _HIDDEN_GROUP
    if is_hidden or error["type"] == "missing" or isinstance(error["input"], dict):
        return ""
    return f"; found {shown(error['input'])}"


def _path(location: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".")


def _suggestion(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Return the path of the field that was meant, or "" if none is near."""
    unknown, prefix = str(location[-1]), _path(location[:-1])
    # A field may be in the wrong group: then the right group has one of exactly that name.
    close = [path for path in _paths(model) if path.endswith(f".{unknown}")]
    known = {name.lower(): name for name in _names_at(model, prefix)}
    close += [f"{prefix}.{known[name]}" for name in difflib.get_close_matches(unknown.lower(), known, n=1)]
    return close[0] if close else ""


def _unknown_field(model: type[BaseModel], path: str, suggestion: str) -> str:
    prefix = path.rpartition(".")[0]
    known = ", ".join(_names_at(model, prefix))
    hint = f"did you mean {suggestion}?" if suggestion else f"{prefix} has {known}."
    return f"{path} is not a field of this operation; {hint}"


def _names_at(model: type[BaseModel], prefix: str) -> list[str]:
    """Return the names of the fields in the group at `prefix`."""
    parted = (path.rpartition(".") for path in _paths(model))
    return [name for group, _, name in parted if group == prefix]


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the path of every field, groups included."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        yield path
        for inner in (field.annotation, *typing.get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _paths(inner, f"{path}.")
