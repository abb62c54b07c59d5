"""Sending as the worker does it: a request, an errand, and a room with pools, without an engine."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from testkit.certificates import Certificates

from worker.mail.account import MailProtocol, ServerPolicy, account_of
from worker.mail.answer import Answer
from worker.mail.maildrops import Maildrops
from worker.mail.pool import Pool, PoolLimits
from worker.mail.pop3_limits import Pop3Limits
from worker.mail.room import MailRoom
from worker.mail.smtp_session import SmtpSession, SmtpSettings, open_smtp_session
from worker.mail.timeouts import Timeouts
from worker.models.smtp import SendRequest
from worker.operations.errand import Errand
from worker.operations.smtp import send

SHORT = Timeouts(
    connect_seconds=2,
    tls_seconds=0.5,
    greeting_seconds=0.4,
    login_seconds=0.4,
    command_seconds=0.4,
    transfer_seconds=0.4,
)
STARTED_AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass
class Sender:
    """Sends through one room; `parameters` and the rest are completed with what a plain mail needs."""

    room: MailRoom
    sent: list[Answer] = field(default_factory=list)

    async def send(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        protocol: str = "NONE",
        username: str | None = None,
        password: str | None = None,
        reference: str = "job-1",
        **parameters: Any,
    ) -> Answer:
        """Send one mail and return the operation's answer."""
        authentication = {"type": "simple", "username": username, "password": password}
        request = SendRequest.model_validate(
            {
                "authentication": authentication if username else {"type": "noAuth"},
                "server": {"host": host, "port": port, "cryptographicProtocol": protocol},
                "parameters": {
                    "from": "ann@example.org",
                    "to": "bob@example.org",
                    "subject": "Hello",
                    "body": "Hello Bob",
                    **parameters,
                },
            }
        )
        account = account_of(MailProtocol.SMTP, request.server, request.authentication)
        return await send(request, Errand(account, self.room, reference, STARTED_AT))


MakeSender = Callable[..., Sender]


@pytest.fixture
async def make_sender(certificates: Certificates) -> AsyncIterator[MakeSender]:
    """Senders with short limits, trusting the tests' authority unless another context is given."""
    async with AsyncExitStack() as stack:

        def make(
            *, timeouts: Timeouts = SHORT, tls_context: ssl.SSLContext | None = None, **limits: Any
        ) -> Sender:
            settings = SmtpSettings(tls_context or certificates.client_context(), timeouts)
            pool: Pool[SmtpSession] = Pool(partial(open_smtp_session, settings=settings), PoolLimits(**limits))
            pop3 = Maildrops(settings.tls_context, timeouts, Pop3Limits())
            room = MailRoom(smtp=pool, pop3=pop3, policy=ServerPolicy(), max_result_bytes=1_000_000)
            stack.push_async_callback(room.close)
            return Sender(room)

        yield make


@pytest.fixture
def sender(make_sender: MakeSender) -> Sender:
    """One sender with short limits."""
    return make_sender()
