"""Everything at once: faults at the mail server, gateways cut off, workers stopped and killed.

The sandbox's pipes belong to the event loop that made them, so all tests here run on the session's loop.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from worker.sandbox import Engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            # One storm at a time is enough for a machine.
            item.add_marker(pytest.mark.xdist_group("storm"))
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session")
async def engine() -> AsyncIterator[Engine]:
    """An engine of the test's own; thousands of jobs in its memory would leave it no time to answer."""
    async with Engine.start(memory_mb=2_048) as running:
        yield running
