from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from testkit.processes import ServerProcess, find_program, free_port

if TYPE_CHECKING:
    from pathlib import Path


def test_a_missing_server_is_a_skip_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-server is not installed"):
        find_program("no-such-server", "none")


def test_a_missing_server_is_an_error_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CI must have it"):
        find_program("no-such-server", "none")


def test_a_server_that_ends_immediately_says_why(tmp_path: Path) -> None:
    server = ServerProcess(["sh", "-c", "echo no such file; exit 1"], tmp_path / "log")
    with pytest.raises(AssertionError, match="no such file"):
        server.start([free_port()])


def test_a_killed_server_leaves_no_children(tmp_path: Path) -> None:
    port = free_port()
    listen = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    server = ServerProcess(["sh", "-c", f'python3 -c "{listen}" & wait'], tmp_path / "log")
    server.start([port])
    server.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
