"""What the examples of the documentation run against: mail servers, an engine, and a shell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from testkit.certificates import Certificates
from testkit.dovecot import Dovecot
from testkit.mail_servers import MailServers

from worker.sandbox import Engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The engine's pipes belong to the loop that made them: all tests here run on the session's."""
    session_loop = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(session_loop, append=False)


@pytest.fixture(scope="session")
def mail_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServers]:
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    with Dovecot(certificates.server) as dovecot:
        yield MailServers(dovecot, certificates)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine() -> AsyncIterator[Engine]:
    async with Engine.start() as running:
        yield running
