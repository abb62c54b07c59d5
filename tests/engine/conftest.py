"""One engine and one mail server for the whole session, and factories for tests that kill theirs.

The sandbox's pipes belong to the event loop that made them, so every async test and fixture of this
directory runs on the session's loop; the hook below says so for all of them. A test has the shared
engine to itself by its own process instances, and the mail server by recipients of its own. Moving the
engine's clock touches every instance: a test that does it takes an engine of its own.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import pytest_asyncio
from testkit.certificates import Certificates

from worker.sandbox import Engine, FeelReference, Keystore, MailServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ALICE = ("alice@example.com", "secret")
BOB = ("bob@example.com", "geheim")
COUNTED = (("carol@example.com", "secret"), ("dave@example.com", "secret"))
HERE = Path(__file__).parent


class StartMailServer(Protocol):
    async def __call__(self, **options: Any) -> MailServer: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    session_loop = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(session_loop, append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine() -> AsyncIterator[Engine]:
    """The shared engine: never kill it, never move its clock."""
    async with Engine.start() as running:
        yield running


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def keystore(certificates: Certificates) -> Keystore:
    """A certificate for localhost that `certificates.ca_file` vouches for."""
    return Keystore(certificates.server.keystore("changeit"), "changeit")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mail_server(keystore: Keystore) -> AsyncIterator[MailServer]:
    """The shared mail server: never kill it. Any test may write to ALICE and BOB; the mailboxes of COUNTED
    are for one test each, one that counts emails."""
    async with MailServer.start([ALICE, BOB, *COUNTED], keystore=keystore) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def feel_reference() -> AsyncIterator[FeelReference]:
    async with FeelReference.start() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def start_engine() -> AsyncIterator[Callable[[], Awaitable[Engine]]]:
    """Start an engine of the test's own, ended with the test."""
    async with AsyncExitStack() as running:

        async def start() -> Engine:
            return await running.enter_async_context(Engine.start())

        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def start_mail_server() -> AsyncIterator[StartMailServer]:
    """Start a mail server of the test's own with the options of `MailServer.start`, ended with the test."""
    async with AsyncExitStack() as running:

        async def start(**options: Any) -> MailServer:
            return await running.enter_async_context(MailServer.start(**options))

        yield start
