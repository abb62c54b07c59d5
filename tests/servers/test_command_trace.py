"""The trace holds what servers were really told: no command more, none less, and nothing but names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from testkit.accounts import Account
from testkit.counting_proxy import CountingProxy
from testkit.dovecot import Dovecot
from testkit.postfix import Postfix
from testkit.wire import ImapWire, Pop3Wire, SmtpWire, Wire
from testkit.workers import email_worker

from worker.mail.command_trace import CommandTrace, begin_command_trace

MAIL = b"Message-ID: <trace@x>\r\nFrom: a@x\r\nSubject: s\r\n\r\nbody\r\n"
LETTER = {"from": "a@example.com", "to": ["b@example.com", "c@example.com"], "subject": "s", "body": "b"}
BY_SUBJECT = {"criteria": {"field": "SUBJECT", "value": "s"}}
BY_ID = {"messageId": "<trace@x>"}

# What each does, and what the worker says at its end, when the trace has been left.
Call = tuple[str, dict[str, Any]]
CASES: dict[type[Wire], tuple[list[Call], str]] = {
    SmtpWire: ([("email.smtp.send", LETTER)] * 2, "QUIT"),
    ImapWire: (
        [("email.imap.list", {}), ("email.imap.search", BY_SUBJECT), ("email.imap.read", BY_ID)],
        "LOGOUT",
    ),
    Pop3Wire: ([("email.pop3.list", {}), ("email.pop3.search", BY_SUBJECT)], ""),
}


@pytest.fixture(params=CASES, ids=lambda wire: wire.__name__)
def wire(request: pytest.FixtureRequest) -> type[Wire]:
    kind: type[Wire] = request.param
    return kind


@pytest.fixture
def place(
    wire: type[Wire], dovecot: Dovecot, dovecot_account: Account, request: pytest.FixtureRequest
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The server's port, and how to sign in there."""
    if wire is SmtpWire:
        postfix: Postfix = request.getfixturevalue("postfix")
        yield postfix.smtp_port, {"type": "noAuth"}
        return
    dovecot.deliver(dovecot_account.username, MAIL)
    port = dovecot.imap_port if wire is ImapWire else dovecot.pop3_port
    yield port, {"username": dovecot_account.username, "password": dovecot_account.password}


async def test_the_trace_is_what_the_server_was_told(
    wire: type[Wire], place: tuple[int, dict[str, Any]]
) -> None:
    (port, authentication), (calls, farewell) = place, CASES[wire]
    trace: CommandTrace = begin_command_trace()
    async with CountingProxy(wire, port) as proxy:
        server = {"host": "127.0.0.1", "port": proxy.port, "cryptographicProtocol": "NONE"}
        async with email_worker() as worker:
            for task_type, parameters in calls:
                given = {"authentication": authentication, "server": server, "parameters": parameters}
                await worker.call(task_type, given)
        heard = [command for command in proxy.commands if command.verb != farewell]

    told = [name for step in trace.steps for name in step.commands]
    assert told == [command.verb.replace(".", "END-OF-DATA") for command in heard]
    assert trace.command_count == len(told)
    assert trace.round_trips == sum(not command.is_pipelined for command in heard)
    assert [step.name for step in trace.steps[:2]] == ["connect", "greeting"]
    assert all(step.name for step in trace.steps)
    assert {step.server for step in trace.steps} == {f"127.0.0.1:{proxy.port}"}
    assert trace.seconds > 0
    assert all(word not in repr(trace) for word in ("trace@x", "example.com", "s3cret"))
