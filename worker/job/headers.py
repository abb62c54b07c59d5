"""The task headers that steer a connector, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ConnectorHeaders:
    """What the modeller wrote beside the task; `result_variable` is where the whole result goes."""

    result_variable: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> ConnectorHeaders:
        """Read the headers that are ours; a blank one counts as not given."""
        return cls(result_variable=headers.get("resultVariable", "").strip() or None)

    def variables_for(self, result: Any) -> dict[str, Any]:
        """Return the process variables that `result` (JSON) becomes: none without a header."""
        return {self.result_variable: result} if self.result_variable else {}
