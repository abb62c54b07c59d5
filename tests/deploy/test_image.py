"""The Python of the image has one default, which the package supports."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from worker.settings import WorkerSettings

ROOT = Path(__file__).parent.parent.parent


def default() -> str:
    (image,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert isinstance(image, str)
    return image


def test_compose_gives_the_worker_time_to_end_its_jobs() -> None:
    worker = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["worker"]
    grace = WorkerSettings.model_fields["shutdown_grace_seconds"].default
    assert int(worker["stop_grace_period"].removesuffix("s")) >= grace + 10


def test_compose_builds_on_the_same_python_as_the_dockerfile() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert services["worker"]["build"]["args"]["PYTHON_IMAGE"] == f"${{PYTHON_IMAGE:-{default()}}}"


def test_the_package_says_that_it_runs_on_the_python_of_the_image() -> None:
    version = re.findall(r"python:(3\.\d+)-", default())[0]
    assert f'"Programming Language :: Python :: {version}"' in (ROOT / "pyproject.toml").read_text()
