"""What a job asks for: an operation and its variables, and how the diagram names them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.operations.catalogue import Operation


@dataclass(frozen=True, slots=True)
class Notation:
    """How a diagram names the fields that the worker reads.

    `field_names`: its names of fields or groups, by their paths in the models. `has_bare_secrets`: whether
    `secrets.NAME` counts without braces too.
    """

    field_names: Mapping[str, str]
    has_bare_secrets: bool = False

    def path(self, field: str) -> str:
        """Return the diagram's path of a field, by the longest part of it that has a name there."""
        known = [name for name in self.field_names if re.match(rf"{re.escape(name)}(?![^.\[])", field)]
        longest = max(known, key=len, default="")
        return self.field_names.get(longest, "") + field.removeprefix(longest)


OWN_NOTATION = Notation({})


@dataclass(frozen=True, slots=True)
class Assignment:
    """An operation and the variables that it takes.

    `notation`: how the diagram writes them. `reshape`: from the operation's result, as JSON values, to the
    one that the diagram expects.
    """

    operation: Operation
    variables: Mapping[str, Any]
    notation: Notation = OWN_NOTATION
    reshape: Callable[[Any], Any] = lambda result: result


# Reads the variables of a job; raises InputError where they name nothing that can be done.
Interpret = Callable[[Mapping[str, Any]], Assignment]
