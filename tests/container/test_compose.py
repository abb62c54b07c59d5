"""docker-compose.yml as a newcomer uses it: the commands at its head, and the mail in the browser."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from testkit.docker import ROOT, compose, inspect, logged
from testkit.docker_cluster import mails_at
from testkit.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.docker_images import Images

FILE = (ROOT / "docker-compose.yml").read_text()
COMMANDS = [
    shlex.split(line.removeprefix("#   docker compose "))
    for line in FILE.splitlines()
    if line.startswith("#   docker compose ")
]


@pytest.fixture
def environment(images: Images) -> Iterator[dict[str, str]]:
    """The variables of the file: the images of these tests, free ports, and a project of its own."""
    ports = ("CAMUNDA_GRPC_PORT", "CAMUNDA_WEB_PORT", "MAIL_WEB_PORT")
    environment = {
        "COMPOSE_PROJECT_NAME": "camunda-email-worker-test",
        "CAMUNDA_IMAGE": images.engine,
        "MAIL_IMAGE": images.mail,
        "WORKER_IMAGE": "camunda-email-worker:compose-test",
        "SMTP_PASSWORD": "mail-password",
        **{name: str(free_port()) for name in ports},
    }
    yield environment
    compose("down", "--volumes", **environment)


async def test_the_commands_at_the_head_of_the_file_bring_a_mail_into_the_browser(
    environment: dict[str, str],
) -> None:
    up, deploy, start = COMMANDS
    compose(*up, **environment)
    worker = compose("ps", "--quiet", "worker", **environment).strip()
    # The worker was not begun before these could serve it.
    for service in ("camunda", "mail"):
        container = compose("ps", "--quiet", service, **environment).strip()
        assert inspect(container)["State"]["Health"]["Status"] == "healthy"
    for command in (deploy, start):
        compose(command[0], "-T", *command[1:], **environment)
    ended = await logged(worker, "job_ended")
    assert ended["outcome"] == "COMPLETED"
    mails = await mails_at(f"http://localhost:{environment['MAIL_WEB_PORT']}")
    assert [mail["Subject"] for mail in mails] == ["Your order"]
    assert inspect(worker)["HostConfig"]["ReadonlyRootfs"] is True


def test_a_password_is_a_variable_with_a_default_that_everybody_knows() -> None:
    given = [line.partition(": ")[2] for line in FILE.splitlines() if "PASSWORD" in line]
    assert given == ["${OPERATE_PASSWORD:-demo}", "${SMTP_PASSWORD:-any}"]
