"""What the worker says if it cannot connect, whatever the protocol."""

from __future__ import annotations

import errno
import socket
from typing import Any

import aiohappyeyeballs
import pytest
from testkit.processes import free_port

from worker.errors import ConnectionFailed
from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.connection import BoundedConnection, connect


def account(host: str, port: int = 143) -> Account:
    return Account(MailProtocol.IMAP, host, port, Encryption.NONE, "ann", "s3cret")


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".example.org"])
async def test_a_host_that_cannot_be_resolved_is_named(host: str) -> None:
    with pytest.raises(ConnectionFailed, match=f"^Cannot resolve the host {host}; check its name.$"):
        await connect(account(host), 30)


async def test_a_port_where_nobody_listens_refuses_the_connection() -> None:
    with pytest.raises(ConnectionFailed, match=r"\(connection refused\); check host and port"):
        await connect(account("127.0.0.1", free_port()), 30)


async def test_of_several_addresses_the_first_reason_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> socket.socket:
        raise OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] Other")

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", fail)
    with pytest.raises(ConnectionFailed, match=r"\(connection refused\)"):
        await connect(account("127.0.0.1"), 30)


def test_a_connection_without_a_free_descriptor_is_closed_and_may_be_retried() -> None:
    class Last(socket.socket):
        def dup(self) -> Any:
            raise OSError(errno.EMFILE, "Too many open files")

    last = Last()
    with pytest.raises(ConnectionFailed, match="too many open files"):
        BoundedConnection("mail.example.com:993", last)
    assert last.fileno() == -1
