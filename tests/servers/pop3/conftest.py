"""POP3 operations against a server, and what a test needs to look at them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.rooms_pop3 import Pop3Caller

from worker.mail.maildrops import Maildrops
from worker.mail.pop3_limits import Pop3Limits
from worker.mail.timeouts import Timeouts

SHORT = Timeouts(
    connect_seconds=0.7,
    tls_seconds=0.7,
    greeting_seconds=0.7,
    login_seconds=0.7,
    command_seconds=0.7,
    transfer_seconds=0.7,
)

MakeMaildrops = Callable[..., Maildrops]
MakeCaller = Callable[..., Pop3Caller]


@pytest.fixture
async def make_maildrops(certificates: Certificates) -> AsyncIterator[MakeMaildrops]:
    """Maildrops that trust the tests' authority; each call makes what another worker would have."""
    async with AsyncExitStack() as stack:

        def make(timeouts: Timeouts = Timeouts(), **limits: Any) -> Maildrops:  # noqa: B008 - frozen
            maildrops = Maildrops(certificates.client_context(), timeouts, Pop3Limits(**limits))
            stack.push_async_callback(maildrops.close)
            return maildrops

        yield make


@pytest.fixture
def make_caller(make_maildrops: MakeMaildrops) -> MakeCaller:
    """A caller for a port, with limits and timeouts for its maildrops."""

    def make(
        port: int, account: Account | None = None, *, has_short_timeouts: bool = False, **limits: Any
    ) -> Pop3Caller:
        maildrops = make_maildrops(SHORT if has_short_timeouts else Timeouts(), **limits)
        account = account or Account("ann", "s3cret")
        return Pop3Caller(maildrops, port, account.username, account.password)

    return make
