"""One engine and one mail server for all tests of this directory; each test has a worker of its own.

These tests need Docker. They are marked `container` and run by `make test-container`: building images and
killing servers would take the processors away from the tests of `make test`, which run side by side.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from testkit.docker import succeeds

# testcontainers' reaper is one more image to pull; the fixtures end what they start.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
# Docker runs where the tests do, be that a container itself.
os.environ["TESTCONTAINERS_HOST_OVERRIDE"] = "localhost"

from testkit.docker_cluster import Cluster, running_cluster
from testkit.docker_images import Images, prepare_images
from testkit.processes import cannot_run

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PREPARED = pytest.StashKey[Images]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.container)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if PREPARED in config.stash:
        terminalreporter.write_line(f"Containers: {config.stash[PREPARED]}.")


@pytest.fixture(scope="session")
def images(pytestconfig: pytest.Config) -> Images:
    """The images, ready to run; which ones they are is told at the end of the tests' output."""
    if not succeeds("docker", "info"):
        cannot_run("Docker does not run here")
    pytestconfig.stash[PREPARED] = prepare_images()
    return pytestconfig.stash[PREPARED]


@pytest.fixture(scope="session")
def cluster(images: Images) -> Iterator[Cluster]:
    with running_cluster(images) as cluster:
        yield cluster
