"""The public forge's CI runs the gate of this project and nothing beside it."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


def test_the_workflow_runs_the_gate_alone() -> None:
    (job,) = WORKFLOW["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    (command,) = commands
    assert command.startswith("docker run ")
    assert command.endswith(" debian:bookworm bash .ci/run")
    assert (ROOT / ".ci" / "run").is_file()


def test_the_workflow_may_only_read() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
