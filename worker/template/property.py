"""The parts of an element template, as Modeler's JSON schema for Camunda 8 names them."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

Kind = Literal["String", "Text", "Boolean", "Dropdown", "Hidden"]
Feel = Literal["optional", "required"]

INPUT = "zeebe:input"
"""The binding of an input variable. Left empty, it reaches the worker as null (Camunda 8.8 and later)."""

# A point inside backticks ends no sentence.
_SENTENCE_END = re.compile(r"(?<=[.!?`])(?:\n|\s+)(?=[A-Z⚠`“=])(?=(?:[^`]*`[^`]*`)*[^`]*\Z)")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a value must look like, and the end of the sentence "<label> …" for one that does not.

    A regular expression in JavaScript and in Python, for the whole value. It does not apply to FEEL.
    """

    value: str
    message: str

    def to_json(self, *, may_be_empty: bool) -> dict[str, str]:
        """Return the pattern as the schema writes it."""
        # The panel tests a field that is empty as the word undefined, the linter as the empty text.
        value = f"^(undefined|{self.value})?$" if may_be_empty else f"^({self.value})$"
        return {"value": value, "message": self.message}


@dataclass(frozen=True, slots=True)
class Condition:
    """Met while the property with this id has one of the values."""

    property_id: str
    values: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the condition as the schema writes it."""
        if len(self.values) == 1:
            return {"property": self.property_id, "equals": self.values[0], "type": "simple"}
        return {"property": self.property_id, "oneOf": list(self.values), "type": "simple"}


@dataclass(frozen=True, slots=True)
class Binding:
    """The place of a value in the BPMN, such as `zeebe:input` with the `name` `server.host`."""

    type: str
    attribute: str
    value: str

    def to_json(self) -> dict[str, str]:
        """Return the binding as the schema writes it."""
        return {"type": self.type, self.attribute: self.value}


@dataclass(frozen=True, slots=True)
class Property:
    """One field of the panel, or a hidden constant, with the place in the BPMN that it is bound to.

    `description` is text with `code` in backticks and line breaks. All conditions must be met for it to be
    shown. What is `is_optional` may be left empty.
    """

    id: str
    group: str
    binding: Binding
    kind: Kind
    label: str = ""
    description: str = ""
    placeholder: str = ""
    value: str | bool | None = None
    feel: Feel | None = None
    is_optional: bool = False
    pattern: Pattern | None = None
    choices: tuple[tuple[str, str], ...] = ()
    conditions: tuple[Condition, ...] = ()

    def only_while(self, condition: Condition) -> Self:
        """Return the same field under one more condition, checked first."""
        return replace(self, conditions=(condition, *self.conditions))

    def to_json(self) -> dict[str, Any]:
        """Return the property as the schema writes it, without what is empty."""
        first, rest = _first_sentence(self.description)
        entries = {
            "id": self.id,
            "label": self.label,
            "description": _to_html(first),
            "tooltip": _to_html(rest),
            "group": self.group,
            "type": self.kind,
            "feel": self.feel,
            "value": self.value,
            # Modeler itself adds the sign to a field that accepts only FEEL.
            "placeholder": self.placeholder.removeprefix("=")
            if self.feel == "required"
            else self.placeholder,
            "optional": self.is_optional and self.binding.type != INPUT,
            "choices": [{"name": name, "value": value} for value, name in self.choices],
            "constraints": self._constraints(),
            "binding": self.binding.to_json(),
            "condition": self._condition(),
        }
        return {
            name: entry for name, entry in entries.items() if entry or (name == "value" and entry is False)
        }

    def _constraints(self) -> dict[str, Any]:
        pattern = self.pattern and self.pattern.to_json(may_be_empty=self.is_optional)
        is_free = self.is_optional or self.kind in {"Boolean", "Dropdown", "Hidden"}
        # For an optional header, the schema must say that it may be empty.
        is_header = self.is_optional and self.binding.type != INPUT
        constraints = {} if is_free and not (is_header and pattern) else {"notEmpty": not is_free}
        return constraints | ({"pattern": pattern} if pattern else {})

    def _condition(self) -> dict[str, Any] | None:
        match self.conditions:
            case ():
                return None
            case (condition,):
                return condition.to_json()
            case conditions:
                return {"allMatch": [condition.to_json() for condition in conditions]}


def _first_sentence(description: str) -> tuple[str, str]:
    """Part a description into the line that is always shown and what explains it."""
    match = _SENTENCE_END.search(description)
    return (description[: match.start()], description[match.end() :]) if match else (description, "")


def _to_html(description: str) -> str:
    return _CODE.sub(r"<code>\1</code>", html.escape(description, quote=False)).replace("\n", "<br>")
