"""The worker's image: small, not root, nothing to write to, and it ends when it is asked to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from testkit.docker import docker, inspect
from testkit.docker_images import BASE_IMAGE
from testkit.pattern_digests import lines

from worker import __version__

if TYPE_CHECKING:
    from testkit.docker_cluster import Cluster
    from testkit.docker_images import Images

LARGEST_ADDITION_BYTES = 200 * 1000 * 1000
USER = "10001:10001"


def test_the_image_adds_less_than_200_mb_to_its_base(images: Images) -> None:
    added = inspect(images.worker)["Size"] - inspect(BASE_IMAGE)["Size"]
    assert 0 < added < LARGEST_ADDITION_BYTES


def test_the_image_says_what_it_is_and_runs_as_a_number_in_exec_form(images: Images) -> None:
    config = inspect(images.worker)["Config"]
    assert config["User"] == USER
    assert config["Entrypoint"] == ["tini", "-e", "143", "--", "email-worker"]
    assert config["Cmd"] == ["run"]
    assert config["Labels"]["org.opencontainers.image.title"] == "camunda-email-worker"
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert re.fullmatch("[0-9a-f]{40}", config["Labels"]["org.opencontainers.image.revision"])


def test_the_environment_contains_no_build_tool_and_no_cache(images: Images) -> None:
    listed = docker(
        *("run", "--rm", "--read-only", "--entrypoint", "python", images.worker),
        *("-c", "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"),
    )
    ours = set(listed.lower().split())
    assert "camunda-email-worker" in ours
    assert not ours & {"pip", "setuptools", "wheel", "hatchling", "jpype1", "pytest"}
    base = docker(
        *("run", "--rm", "--entrypoint", "sh", images.worker, "-c"),
        "for tool in pip pip3 gcc make; do command -v $tool; done; ls -d /usr/*/bin/pip* /usr/bin/pip* 2>&1"
        " | grep -v 'No such file'; true",
    )
    assert not base
    found = docker(
        *("run", "--rm", "--user", "0", "--entrypoint", "find", images.worker),
        *("/root", "/tmp", "/opt", "-name", "*.whl", "-o", "-path", "*/.cache/pip"),
    )
    assert not found


def test_the_command_line_answers_on_a_read_only_file_system(images: Images) -> None:
    said = docker("run", "--rm", "--read-only", "--network", "none", images.worker, "--version")
    assert said == f"{__version__}\n"


def test_the_image_has_what_traces_need(images: Images) -> None:
    docker(
        "run", "--rm", "--read-only", "--entrypoint", "python", images.worker, "-c", "import worker.traces"
    )


def test_every_pattern_matches_the_same_on_the_python_of_the_image(images: Images) -> None:
    script = Path(lines.__code__.co_filename).read_text("utf-8")
    there = docker("run", "--rm", "--read-only", "--entrypoint", "python", images.worker, "-c", script)
    here = lines()
    assert there.splitlines() == here
    assert len(here) > 150


def test_check_says_in_one_sentence_that_no_gateway_is_there(images: Images) -> None:
    with pytest.raises(AssertionError, match="The gateway localhost:26500 cannot be reached"):
        docker("run", "--rm", "--read-only", "--network", "none", images.worker, "check")


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
async def test_a_signal_reaches_the_worker_and_it_ends_well(cluster: Cluster, signal: str) -> None:
    with cluster.worker() as worker:
        await worker.logged("gateway_reached")
        docker("kill", "--signal", signal, worker.id)
        await worker.logged("worker_stopped", within_seconds=30)
        assert docker("wait", worker.id) == "0\n"


async def test_a_worker_that_has_its_gateway_is_alive_and_ready(cluster: Cluster) -> None:
    with cluster.worker() as worker:
        await worker.logged("gateway_reached")
        assert worker.status("/health/live") == 200
        assert worker.status("/health/ready") == 200
        assert worker.status("/metrics") == 200


async def test_a_worker_without_its_gateway_is_alive_and_not_ready(cluster: Cluster) -> None:
    with cluster.worker(ZEEBE_ADDRESS="nowhere:26500") as worker:
        await worker.logged("gateway_unreachable")
        assert worker.status("/health/live") == 200
        assert worker.status("/health/ready") == 503


@pytest.mark.parametrize(
    "pages",
    [
        {},
        {"EMAIL_WORKER_HEALTH_PORT": "9000", "HTTP_PROXY": "http://nowhere:3128"},
        {"EMAIL_WORKER_HEALTH_PORT": "", "EMAIL_WORKER_HEALTH_HOST": "127.0.0.1"},
        {"EMAIL_WORKER_HEALTH_PORT": "0"},
    ],
    ids=["as it is", "another port", "another address", "none"],
)
async def test_the_health_check_of_the_image_asks_where_the_pages_are(
    cluster: Cluster, pages: dict[str, str]
) -> None:
    with cluster.worker(secrets=None, **pages) as worker:
        await worker.logged("gateway_reached")
        _, *command = inspect(worker.id)["Config"]["Healthcheck"]["Test"]
        docker("exec", worker.id, *command)


async def test_the_health_check_of_the_image_fails_where_no_page_answers(cluster: Cluster) -> None:
    with cluster.worker() as worker:
        await worker.logged("gateway_reached")
        _, *command = inspect(worker.id)["Config"]["Healthcheck"]["Test"]
        with pytest.raises(AssertionError, match=r"OSError|ConnectionRefusedError"):
            docker("exec", "--env", "EMAIL_WORKER_HEALTH_PORT=1", worker.id, *command)
