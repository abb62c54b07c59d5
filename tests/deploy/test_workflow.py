"""CI runs the gate of this project and nothing more; a tag publishes the image and the chart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from testkit.helm import CHART, helm

from worker import __version__

ROOT = Path(__file__).parent.parent.parent
WORKFLOWS = ROOT / ".github" / "workflows"
WORKFLOW = yaml.safe_load((WORKFLOWS / "ci.yml").read_text())
RELEASE = yaml.safe_load((WORKFLOWS / "release.yml").read_text())


def test_the_workflow_runs_the_gate_alone() -> None:
    (job,) = WORKFLOW["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    (command,) = commands
    assert command.startswith("docker run ")
    assert command.endswith(" debian:bookworm bash .ci/run")
    assert (ROOT / ".ci" / "run").is_file()


@pytest.mark.parametrize("workflow", [WORKFLOW, RELEASE], ids=["ci", "release"])
def test_a_workflow_may_only_read(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert not [job for job in workflow["jobs"].values() if "permissions" in job]


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.stem)
def test_every_action_is_pinned_by_commit_and_says_its_version(path: Path) -> None:
    used = re.findall(r"uses: *(.*)", path.read_text())
    assert used
    assert not [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)]


def test_a_release_has_an_image_for_amd64_and_arm64() -> None:
    (job,) = RELEASE["jobs"].values()
    (build,) = (step["with"] for step in job["steps"] if "build-push" in step.get("uses", ""))
    assert build["platforms"].split(",") == ["linux/amd64", "linux/arm64"]
    assert build["push"] is True


def test_a_release_has_the_chart_whole(tmp_path: Path) -> None:
    done = helm("package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    package = tmp_path / f"camunda-email-worker-{__version__}.tgz"
    made = helm("template", "email-worker", package, "--set", "monitoring.rules=true")
    assert "EmailWorkerAbsent" in made.stdout
