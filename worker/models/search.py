"""What to search for: conditions on sender, subject and text, joined by AND and OR."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from worker.models.bounds import CONDITION_CHARACTERS, CONDITIONS, CRITERIA_LEVELS
from worker.models.expectation import number_text, shown

_SHOWN_CHARACTERS = 60

E = TypeVar("E", bound=StrEnum)


class SearchField(StrEnum):
    """What a condition looks at: the sender with its display name, the subject, or the text."""

    FROM = "FROM"
    SUBJECT = "SUBJECT"
    BODY = "BODY"


class SearchOperator(StrEnum):
    """How the criteria of a group are joined."""

    AND = "AND"
    OR = "OR"


@dataclass(frozen=True, slots=True)
class Condition:
    """A field contains a text, letter case aside. The text is not empty and has no line break or NUL."""

    field: SearchField
    value: str


@dataclass(frozen=True, slots=True)
class Group:
    """All (AND) or any (OR) of at least one criterion."""

    operator: SearchOperator
    criteria: tuple[Criterion, ...]


Criterion = Condition | Group


def parse_criteria(value: Any) -> Criterion | None:
    """Read criteria from a context or its JSON text; None means every message.

    Letter case of names, operators and fields does not matter. Raises ValueError with a phrase that
    completes "<field> …" and names the path to the fault, such as `criteria[1].criteria[0].field`.
    """
    if isinstance(value, str):
        value = _from_json(value)
    if value is None or value == {}:
        return None
    return _Parser().parse(value, path="", depth=1)


def _from_json(text: str) -> Any:
    try:
        return json.loads(text) if text.strip() else None
    except (ValueError, RecursionError) as error:
        where = (
            f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        )
        raise ValueError(f"must be a context or its JSON text; the JSON cannot be read{where}") from error


class _Parser:
    """Reads one tree and counts what is in it."""

    def __init__(self) -> None:
        self._conditions = 0

    def parse(self, value: Any, path: str, depth: int) -> Criterion:
        if not isinstance(value, Mapping):
            raise _fault(path, "must be a context with field and value, or with operator and criteria")
        if depth > CRITERIA_LEVELS:
            raise _fault(path, f"is nested more than {CRITERIA_LEVELS} levels deep")
        entries = _fold_names(value, path)
        if "operator" in entries or "criteria" in entries:
            return self._parse_group(entries, path, depth)
        return self._parse_condition(entries, path)

    def _parse_group(self, entries: dict[str, Any], path: str, depth: int) -> Group:
        _refuse_others(entries, ("operator", "criteria"), path)
        operator = _choose(SearchOperator, entries.get("operator"), _join(path, "operator"))
        members = entries.get("criteria")
        members_path = _join(path, "criteria")
        if not isinstance(members, list | tuple) or not members:
            raise _fault(members_path, "must be a list of at least one criterion")
        return Group(
            operator,
            tuple(
                self.parse(member, f"{members_path}[{index}]", depth + 1)
                for index, member in enumerate(members)
            ),
        )

    def _parse_condition(self, entries: dict[str, Any], path: str) -> Condition:
        _refuse_others(entries, ("field", "value"), path)
        field = _choose(SearchField, entries.get("field"), _join(path, "field"))
        value = entries.get("value")
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = number_text(value)
        if not isinstance(value, str) or not value.strip():
            found = shown(value, _SHOWN_CHARACTERS)
            raise _fault(_join(path, "value"), f"must be a text that is not empty, found {found}")
        if any(character in "\r\n\0" or "\ud800" <= character <= "\udfff" for character in value):
            raise _fault(_join(path, "value"), "may not hold a line break, NUL or half a character")
        if len(value) > CONDITION_CHARACTERS:
            raise _fault(_join(path, "value"), f"must have at most {CONDITION_CHARACTERS:,} characters")
        self._conditions += 1
        if self._conditions > CONDITIONS:
            raise _fault(path, f"is one condition too many: at most {CONDITIONS} are taken")
        return Condition(field, value)


def _fold_names(value: Mapping[Any, Any], path: str) -> dict[str, Any]:
    """Lower the names; an entry that is null counts as not given, as everywhere."""
    entries: dict[str, Any] = {}
    for name, entry in value.items():
        folded = str(name).lower()
        if folded in entries:
            raise _fault(_join(path, folded), "is given twice")
        if entry is not None:
            entries[folded] = entry
    return entries


def _refuse_others(entries: dict[str, Any], names: tuple[str, str], path: str) -> None:
    for name in entries:
        if name not in names:
            raise _fault(_join(path, name), f"is not expected beside {names[0]} and {names[1]}")


def _choose(kind: type[E], value: Any, path: str) -> E:
    try:
        return kind(value.strip().upper())
    except (AttributeError, ValueError):
        found = shown(value, _SHOWN_CHARACTERS)
        raise _fault(path, f"must be {_alternatives(kind)}, found {found}") from None


def _alternatives(kind: type[StrEnum]) -> str:
    *others, last = kind
    return f"{', '.join(others)} or {last}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _fault(path: str, expectation: str) -> ValueError:
    return ValueError(f"has a fault: {path} {expectation}" if path else expectation)
