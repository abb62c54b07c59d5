"""Callers with pools that end with the test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from testkit.certificates import Certificates
from testkit.smtp_caller import SmtpCaller

from worker.mail.timeouts import Timeouts

HASTY = Timeouts(
    connect_seconds=10,
    tls_seconds=1.5,
    greeting_seconds=1.5,
    login_seconds=1.5,
    command_seconds=1.5,
    transfer_seconds=1.5,
)


@pytest.fixture
async def caller(certificates: Certificates) -> AsyncIterator[SmtpCaller]:
    """A caller that trusts the tests' authority and waits long enough."""
    caller = SmtpCaller.open(certificates.client_context())
    yield caller
    await caller.pool.close()


@pytest.fixture
async def hasty_caller(certificates: Certificates) -> AsyncIterator[SmtpCaller]:
    """A caller with limits so short that a test can wait for them to pass."""
    caller = SmtpCaller.open(certificates.client_context(), timeouts=HASTY)
    yield caller
    await caller.pool.close()
