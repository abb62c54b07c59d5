"""The results of each part as JSON beside docs/performance.md: a part that is not run keeps its last ones."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Record:
    """One part's results, and when and where they were measured."""

    part: str
    measured_at: str
    seconds: float
    machine: dict[str, Any]
    results: dict[str, Any]

    @classmethod
    def of(cls, part: str, results: dict[str, Any], began: float) -> Record:
        """What has just been measured; `began` on the monotonic clock."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(part, now, round(time.monotonic() - began, 1), _machine(), results)

    @classmethod
    def read(cls, directory: Path, part: str) -> Record | None:
        """The last one of this part, if there is one."""
        file = directory / f"{part}.json"
        return cls(**json.loads(file.read_text("utf-8"))) if file.exists() else None

    def write(self, directory: Path) -> None:
        """Keep it, in place of the last one."""
        directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_rounded(vars(self)), indent=1, ensure_ascii=False)
        (directory / f"{self.part}.json").write_text(text + "\n", "utf-8")


def _machine() -> dict[str, Any]:
    return {
        "processors": os.cpu_count(),
        "load_at_the_end": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "system": platform.system(),
        "commit": _commit(),
    }


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    return found.stdout.strip() or "unknown"


def _rounded(value: Any) -> Any:
    """Four digits behind the point are more than these measurements are worth."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
