"""What a release is made of, and that both packages run in a clean environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from worker import __version__

ROOT = Path(__file__).parent.parent.parent
# One build for all of them, whichever worker of xdist that is.
pytestmark = pytest.mark.xdist_group("release")


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make build` leaves, in a directory of the tests."""
    directory = tmp_path_factory.mktemp("release")
    done = run(
        # The environment that runs the tests is the one to build in, whatever its age.
        *("make", "--old-file=.venv/ready", f"BIN={Path(sys.executable).parent}"),
        *(f"DIST={directory}", f"RUNTIME={directory / 'runtime'}", "build"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


def only(directory: Path, pattern: str) -> Path:
    (found,) = directory.glob(pattern)
    return found


@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"], ids=["wheel", "sdist"])
def test_a_package_needs_only_the_locked_dependencies(dist: Path, pattern: str) -> None:
    runtime = dist / "runtime" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", runtime / "python")
    installed = run(*pip, "install", "--quiet", "--no-deps", "--force-reinstall", only(dist, pattern))
    assert installed.returncode == 0, installed.stderr

    email_worker = runtime / "email-worker"
    assert run(email_worker, "--version").stdout == f"{__version__}\n"
    check = run(email_worker, "check", ZEEBE_ADDRESS="127.0.0.1:1", COLUMNS="200")
    assert check.returncode == 1
    assert "The gateway 127.0.0.1:1 cannot be reached" in check.stdout
    assert run(*pip, "check").returncode == 0


def test_the_locked_dependencies_are_those_of_the_extra_that_the_documentation_names_too(dist: Path) -> None:
    with zipfile.ZipFile(only(dist, "*.whl")) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = wheel.read(name).decode()
    wanted = re.findall(r"^Requires-Dist: ([\w-]+).*; extra == 'traces'$", metadata, re.MULTILINE)
    assert wanted
    assert set(wanted) <= installed(dist)


def test_the_wheel_contains_the_package_and_no_test(dist: Path) -> None:
    with zipfile.ZipFile(only(dist, "*.whl")) as wheel:
        packages = {name.split("/")[0] for name in wheel.namelist()}
        assert "worker/py.typed" in wheel.namelist()
    assert packages == {"worker", f"camunda_email_worker-{__version__}.dist-info"}


def test_the_sdist_contains_the_sources_of_the_wheel(dist: Path) -> None:
    with tarfile.open(only(dist, "*.tar.gz")) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "LICENSE", "CHANGELOG.md", "examples/send-email.bpmn"} <= names
    assert not {name for name in names if name.startswith("tests/")}


def test_the_bill_of_materials_lists_every_locked_dependency(dist: Path) -> None:
    bill = json.loads((dist / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    product = bill["metadata"]["component"]
    assert (product["name"], product["version"]) == ("camunda-email-worker", __version__)
    listed = {component["name"].lower().replace("_", "-") for component in bill["components"]}
    assert installed(dist) <= listed


def test_the_licence_report_lists_every_locked_dependency(dist: Path) -> None:
    rows = (dist / "licences.md").read_text().splitlines()[2:]
    listed = {row.split("|")[1].strip().lower().replace("_", "-") for row in rows}
    assert installed(dist) <= listed


def installed(dist: Path) -> set[str]:
    """The names of what the lock has put into the runtime that was examined."""
    packages = only(dist / "runtime" / "lib", "python*/site-packages")
    names = {path.name.split("-")[0].lower().replace("_", "-") for path in packages.glob("*.dist-info")}
    return names - {"camunda-email-worker"}
