"""How a diagram names the fields of the models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


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
