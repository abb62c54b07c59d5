"""Modeler, an engine and mail servers, one of each for the whole session and on its loop.

The tests share one xdist group: a browser and an engine are started once, not once for each process.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from testkit.certificates import Certificates
from testkit.dovecot import Dovecot
from testkit.modeler import Modeler

from worker.sandbox import Engine, MailServer

HERE = Path(__file__).parent
SENDER = ("orders@example.com", "s3cret")
RECIPIENTS = [(f"{name}@example.com", "secret") for name in ("jane", "joe", "sales")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("modeler"))
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def templates() -> list[dict[str, Any]]:
    """The committed templates, as Modeler finds them in its directory."""
    directory = HERE.parent.parent / "element-templates"
    return [json.loads(path.read_text("utf-8")) for path in sorted(directory.glob("*.json"))]


@pytest.fixture(scope="session")
def diagram() -> str:
    """A drawn process with one plain task, `task`."""
    return (HERE / "one_task.bpmn").read_text("utf-8")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def modeler() -> AsyncIterator[Modeler]:
    async with Modeler.start() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine() -> AsyncIterator[Engine]:
    async with Engine.start() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mail_server() -> AsyncIterator[MailServer]:
    """An SMTP server with the user SENDER and the RECIPIENTS."""
    async with MailServer.start([SENDER, *RECIPIENTS], tls=False) as running:
        yield running


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    """IMAP and POP3, with certificates that `certificates.ca_file` vouches for."""
    with Dovecot(certificates.server) as server:
        yield server
