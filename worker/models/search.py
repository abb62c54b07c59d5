"""What to search for: conditions on an email, joined by AND, OR and NOT."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar

from worker.models.bounds import CONDITION_CHARACTERS, CONDITIONS, CRITERIA_CHARACTERS, CRITERIA_LEVELS
from worker.models.expectation import fault, number_as_text, shown
from worker.models.headers import HEADER_NAME
from worker.models.texts import check_line

_LARGEST_SIZE = 2**31 - 1  # no email has more; at larger numbers, Cyrus ends the session
# A date of FEEL, or a date and time, of which the written day counts.
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}.*)?")

E = TypeVar("E", bound=StrEnum)


class SearchField(StrEnum):
    """What a condition looks at, in the words of IMAP (RFC 9051, 6.4.4).

    FROM to HEADER contain a text. SINCE, BEFORE and ON are about the day of receipt, SENTSINCE, SENTBEFORE
    and SENTON about the date that the sender wrote. SEEN to ATTACHMENT are true or false. LARGER and SMALLER
    are about octets.
    """

    FROM = "FROM"
    TO = "TO"
    CC = "CC"
    BCC = "BCC"
    SUBJECT = "SUBJECT"
    BODY = "BODY"
    HEADER = "HEADER"
    SINCE = "SINCE"
    BEFORE = "BEFORE"
    ON = "ON"
    SENTSINCE = "SENTSINCE"
    SENTBEFORE = "SENTBEFORE"
    SENTON = "SENTON"
    SEEN = "SEEN"
    FLAGGED = "FLAGGED"
    ANSWERED = "ANSWERED"
    ATTACHMENT = "ATTACHMENT"
    LARGER = "LARGER"
    SMALLER = "SMALLER"


F = SearchField
DATE_FIELDS = frozenset({F.SINCE, F.BEFORE, F.ON, F.SENTSINCE, F.SENTBEFORE, F.SENTON})
FLAG_FIELDS = frozenset({F.SEEN, F.FLAGGED, F.ANSWERED})
SIZE_FIELDS = frozenset({F.LARGER, F.SMALLER})
# A condition on these without a value means true.
_TRUTH_FIELDS = FLAG_FIELDS | {F.ATTACHMENT}
# Conditions that need only the email, not the flags of a mail server.
FIELDS_WITHOUT_FLAGS = tuple(field for field in SearchField if field not in FLAG_FIELDS)


class SearchOperator(StrEnum):
    """How the criteria of a group are joined; NOT takes a single one."""

    AND = "AND"
    OR = "OR"
    NOT = "NOT"


@dataclass(frozen=True, slots=True)
class Condition:
    """A field and what it must be or contain.

    A text has no line break or NUL, and its letter case does not matter. It is empty only for HEADER, where
    it means that the field is there. `header`: the name of that field.
    """

    field: SearchField
    value: str | bool | int | date
    header: str = ""

    @property
    def text(self) -> str:
        """The value of a condition on a text."""
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Group:
    """All (AND), any (OR) or none (NOT) of at least one criterion."""

    operator: SearchOperator
    criteria: tuple[Criterion, ...]


Criterion = Condition | Group


def conditions_of(criterion: Criterion | None) -> Iterable[Condition]:
    """Yield every condition of a tree."""
    if isinstance(criterion, Condition):
        yield criterion
    elif criterion is not None:
        for member in criterion.criteria:
            yield from conditions_of(member)


def all_of(criteria: Iterable[Criterion | None]) -> Criterion | None:
    """Join criteria by AND; those that are None do not count, and of none comes None."""
    given = tuple(criterion for criterion in criteria if criterion is not None)
    if len(given) > 1:
        return Group(SearchOperator.AND, given)
    return given[0] if given else None


def parse_criteria(value: Any, fields: Iterable[SearchField] = tuple(SearchField)) -> Criterion | None:
    """Read criteria from a context or its JSON text; None means every message.

    Letter case of names, operators and fields does not matter. Raises ValueError with a phrase that
    completes "<field> …" and names the path to the fault, such as `criteria[1].criteria[0].field`.
    """
    if isinstance(value, str):
        value = _from_json(value)
    if value is None or value == {}:
        return None
    return _Parser(tuple(fields)).parse(value, path="", depth=1)


def read_text(value: Any) -> str:
    """Read a text to search for; raises ValueError with a phrase that completes "<field> …"."""
    value = number_as_text(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be a text that is not empty, found {shown(value)}")
    check_line(value)
    if len(value) > CONDITION_CHARACTERS:
        raise ValueError(f"must have at most {CONDITION_CHARACTERS:,} characters")
    return value


def read_day(value: Any) -> date:
    """Read a day, such as 2026-11-27; raises ValueError with a phrase that completes "<field> …"."""
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        return date.fromisoformat(match[1] if match else "")
    except ValueError:
        found = shown(value)
        raise ValueError(f"must be a date such as 2026-11-27, found {found}") from None


def _read_truth(value: Any) -> bool:
    truth = {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(truth, bool):
        raise ValueError(f"must be true or false, found {shown(value)}")  # noqa: TRY004 - as all faults
    return truth


def _read_size(value: Any) -> int:
    text = number_as_text(value)
    if isinstance(text, str) and text.strip().isascii() and text.strip().isdigit():
        return min(int(text.strip()[:20]), _LARGEST_SIZE)
    raise ValueError(f"must be a whole number of octets, found {shown(value)}")


def _read_value(field: SearchField, entries: Mapping[str, Any]) -> str | bool | int | date:
    """Read the value. A null is no value that was left out: it would find emails that are not meant."""
    value = entries.get("value")
    if field in DATE_FIELDS:
        return read_day(value)
    if field in SIZE_FIELDS:
        return _read_size(value)
    if field in _TRUTH_FIELDS:
        return _read_truth(value) if "value" in entries else True
    is_any = field is F.HEADER and entries.get("value", "") == ""
    return "" if is_any else read_text(value)


def _from_json(text: str) -> Any:
    if len(text) > CRITERIA_CHARACTERS:
        raise ValueError(f"must have at most {CRITERIA_CHARACTERS:,} characters as JSON text")
    try:
        return json.loads(text, object_pairs_hook=_without_doubles) if text.strip() else None
    except _GivenTwice:
        raise
    except (ValueError, RecursionError) as error:
        where = (
            f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        )
        raise ValueError(f"must be a context or its JSON text; the JSON cannot be read{where}") from error


class _GivenTwice(ValueError):
    """A name is twice in one context of a JSON text."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a context; of two entries with one name, JSON readers drop the first without a word."""
    entries: dict[str, Any] = {}
    for name, value in pairs:
        if name in entries:
            raise _GivenTwice(f"must give each name of a context once, found {shown(name)} twice")
        entries[name] = value
    return entries


class _Parser:
    """Reads one tree and counts what is in it."""

    def __init__(self, fields: tuple[SearchField, ...]) -> None:
        self._fields = fields
        self._conditions = 0

    def parse(self, value: Any, path: str, depth: int) -> Criterion:
        if not isinstance(value, Mapping):
            expected = "must be a context with field and value, or with operator and criteria"
            raise fault(path, f"{expected}, found {shown(value)}")
        if depth > CRITERIA_LEVELS:
            raise fault(path, f"is nested more than {CRITERIA_LEVELS} levels deep")
        entries = _fold_names(value, path)
        if entries.get("operator") is not None or entries.get("criteria") is not None:
            return self._parse_group(entries, path, depth)
        return self._parse_condition(entries, path)

    def _parse_group(self, entries: dict[str, Any], path: str, depth: int) -> Group:
        _refuse_others(entries, ("operator", "criteria"), path)
        operator = _choose(tuple(SearchOperator), entries.get("operator"), f"{path}.operator")
        members = entries.get("criteria")
        members_path = f"{path}.criteria"
        if operator is SearchOperator.NOT and isinstance(members, Mapping):
            members = [members]
        if not isinstance(members, list | tuple) or not members:
            raise fault(members_path, "must be a list of at least one criterion")
        if operator is SearchOperator.NOT and len(members) > 1:
            raise fault(members_path, f"must be one criterion for NOT, found {len(members)}")
        return Group(
            operator,
            tuple(
                self.parse(member, f"{members_path}[{index}]", depth + 1)
                for index, member in enumerate(members)
            ),
        )

    def _parse_condition(self, entries: dict[str, Any], path: str) -> Condition:
        field = _choose(self._fields, entries.get("field"), f"{path}.field")
        names = ("field", "name", "value") if field is F.HEADER else ("field", "value")
        _refuse_others(entries, names, path)
        header = _header_name(entries.get("name"), f"{path}.name") if field is F.HEADER else ""
        try:
            read = _read_value(field, entries)
        except ValueError as error:
            raise fault(f"{path}.value", str(error)) from None
        self._conditions += 1
        if self._conditions > CONDITIONS:
            raise fault(path, f"is one condition too many: at most {CONDITIONS} are taken")
        return Condition(field, read, header)


def _header_name(name: Any, path: str) -> str:
    if not isinstance(name, str) or not HEADER_NAME.fullmatch(name.strip()):
        raise fault(path, "must be the name of a header field, such as In-Reply-To")
    return name.strip()


def _fold_names(value: Mapping[Any, Any], path: str) -> dict[str, Any]:
    """Lower the names."""
    entries: dict[str, Any] = {}
    for name, entry in value.items():
        folded = str(name).lower()
        if folded in entries:
            raise fault(f"{path}.{folded}", "is given twice")
        entries[folded] = entry
    return entries


def _refuse_others(entries: dict[str, Any], names: tuple[str, ...], path: str) -> None:
    for name, entry in entries.items():
        if name not in names and entry is not None:
            *first, last = names
            raise fault(f"{path}.{name}", f"is not expected together with {', '.join(first)} and {last}")


def _choose(choices: tuple[E, ...], value: Any, path: str) -> E:
    name = re.sub(r"[\s_-]", "", value).upper() if isinstance(value, str) else None
    chosen = next((choice for choice in choices if choice.value == name), None)
    if chosen is None:
        *others, last = choices
        found = shown(value)
        raise fault(path, f"must be {', '.join(others)} or {last}, found {found}")
    return chosen
