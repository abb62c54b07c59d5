"""Engine, mail server and worker as containers on one network, each of which can be killed and cut off.

The tests reach engine and mail server by ports of this machine, on a network that is never cut.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyzeebe import ZeebeClient, create_insecure_channel
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import HttpWaitStrategy

from testkit.docker import docker, inspect, logged
from testkit.docker_images import Images, environment_of
from testkit.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ENGINE_SECONDS = 240


class Member:
    """A container with a name on the network of the cluster."""

    def __init__(self, container: DockerContainer, network: Network, alias: str) -> None:
        self._container = container
        self._network = network
        self._alias = alias

    @property
    def id(self) -> str:
        """The container's id, good for every docker command."""
        return str(self._container.get_wrapped_container().id)

    def kill(self) -> None:
        """End it at once, as a crash of its machine would."""
        docker("kill", self.id)

    def stop(self) -> int:
        """Ask it to end (SIGTERM), wait for that, and give its exit code."""
        docker("stop", "--time", "30", self.id)
        return int(inspect(self.id)["State"]["ExitCode"])

    def start(self) -> None:
        """Start it again, with the ports it had."""
        docker("start", self.id)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until it serves."""
        strategy = self._container._wait_strategy
        if strategy is not None:
            strategy.wait_until_ready(self._container)

    def cut(self) -> None:
        """Take it off the network: what it says and what is said to it goes nowhere."""
        docker("network", "disconnect", self._network.name, self.id)

    def join(self) -> None:
        """Put it onto the network under its name."""
        docker("network", "connect", "--alias", self._alias, self._network.name, self.id)

    def status(self, path: str) -> int:
        """Ask one of the worker's pages for its HTTP status, from inside of the container."""
        ask = "c = http.client.HTTPConnection('localhost', 8089); c.request('GET', sys.argv[1])"
        script = f"import http.client, sys; {ask}; print(c.getresponse().status)"
        return int(docker("exec", self.id, "python", "-c", script, path))

    async def logged(self, event: str, *, count: int = 1, within_seconds: float = 60) -> dict[str, Any]:
        """Wait for a line of its log; see testkit.docker."""
        return await logged(self.id, event, count=count, within_seconds=within_seconds)


@dataclass(frozen=True)
class Cluster:
    """The engine and the mail server that run, and how to have a worker beside them."""

    images: Images
    network: Network
    engine: Member
    mail: Member
    gateway: str
    mail_page: str

    @contextmanager
    def worker(self, *, secrets: Path | None = None, **environment: str) -> Iterator[Member]:
        """Run a worker that is told where the gateway is, and what `environment` adds.

        `secrets` is a directory of this machine for EMAIL_WORKER_SECRETS_DIR.
        """
        container = (
            DockerContainer(self.images.worker)
            .with_envs(**{"ZEEBE_ADDRESS": "camunda:26500", **environment})
            .with_network(self.network)
            .with_kwargs(read_only=True, cap_drop=["ALL"], security_opt=["no-new-privileges"])
        )
        if secrets is not None:
            container.with_volume_mapping(str(secrets), "/run/secrets/email-worker", "ro")
            container.with_env("EMAIL_WORKER_SECRETS_DIR", "/run/secrets/email-worker")
        with container:
            yield Member(container, self.network, "worker")

    @contextmanager
    def mailboxes(self) -> Iterator[str]:
        """Run a mail server with IMAP and POP3 too; gives its name on the network."""
        container = DockerContainer(self.images.mailboxes).with_network(self.network)
        with container.with_network_aliases("mailboxes"):
            yield "mailboxes"

    async def deploy(self, bpmn: Path) -> None:
        """Give a process to the engine."""
        channel = create_insecure_channel(self.gateway)
        try:
            await ZeebeClient(channel).deploy_resource(bpmn)
        finally:
            await channel.close()

    async def run(
        self, process_id: str, variables: Mapping[str, Any], *, within_seconds: float = 90
    ) -> dict[str, Any]:
        """Start an instance and wait for its end; gives its variables."""
        channel = create_insecure_channel(self.gateway)
        try:
            result = await ZeebeClient(channel).run_process_with_result(
                process_id, dict(variables), timeout=round(within_seconds * 1000)
            )
        finally:
            await channel.close()
        return dict(result.variables)

    async def mails(self, subject: str) -> list[dict[str, Any]]:
        """Give the mails at the mail server whose subject begins so, as Mailpit's web API describes them."""
        return [mail for mail in await mails_at(self.mail_page) if mail["Subject"].startswith(subject)]


@contextmanager
def running_cluster(images: Images) -> Iterator[Cluster]:
    """Start engine and mail server, and end them with the block."""
    gateway_port, ready_port, mail_port = free_port(), free_port(), free_port()
    engine = (
        DockerContainer(images.engine)
        .with_envs(**environment_of("camunda"))
        .with_bind_ports(26500, gateway_port)
        .with_bind_ports(9600, ready_port)
        .waiting_for(
            HttpWaitStrategy(9600, "/actuator/health/readiness").with_startup_timeout(ENGINE_SECONDS)
        )
    )
    mail = (
        DockerContainer(images.mail)
        .with_envs(**environment_of("mail"))
        .with_bind_ports(8025, mail_port)
        .waiting_for(HttpWaitStrategy(8025, "/readyz"))
    )
    # Internal: else Docker would move the ports of this machine between the networks with each cut.
    with Network(docker_network_kw={"internal": True}) as network, engine, mail:
        members = Member(engine, network, "camunda"), Member(mail, network, "mail")
        for member in members:
            member.join()
        yield Cluster(images, network, *members, f"127.0.0.1:{gateway_port}", f"http://127.0.0.1:{mail_port}")


async def mails_at(page: str) -> list[dict[str, Any]]:
    """Give all mails of a mail server with Mailpit's web API."""
    text = await asyncio.to_thread(_read_page, f"{page}/api/v1/messages?limit=10000")
    mails = json.loads(text)["messages"]
    assert isinstance(mails, list)
    return mails


def _read_page(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as page:
        return bytes(page.read())
