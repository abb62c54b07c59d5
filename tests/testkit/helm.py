"""The real helm, and what it makes of the chart in deploy/helm."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from testkit.processes import cannot_run

CHART = Path(__file__).parent.parent.parent / "deploy" / "helm"


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run helm; without it the test is skipped, or fails where CI is set."""
    program = shutil.which("helm")
    if program is None:
        cannot_run("helm is not installed")
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )


def template(values: dict[str, Any], release: str = "email-worker") -> subprocess.CompletedProcess[str]:
    """Run `helm template` with these values; their names may be paths (`image.tag`)."""
    given = [f"--set-json={name}={json.dumps(value)}" for name, value in values.items()]
    return helm("template", release, CHART, *given)


def rendered(values: dict[str, Any] | None = None, release: str = "email-worker") -> dict[str, Any]:
    """The objects that the chart makes of these values, by kind."""
    done = template(values or {}, release)
    assert done.returncode == 0, done.stderr
    return {each["kind"]: each for each in yaml.safe_load_all(done.stdout) if each}
