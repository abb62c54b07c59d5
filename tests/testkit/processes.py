"""A server as a process of our own: found, started, awaited at its ports, ended with all its children."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

# A server with several ports takes the first only after it was given the last.
# Which of eight: the number of this process of a test run.
_SHARE = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
_GIVEN_PORTS: set[int] = set()
SYSTEM_DIRECTORIES = "/usr/local/sbin:/usr/sbin:/sbin"


def cannot_run(reason: str) -> NoReturn:
    """Say that a server is not to be had: a skip at home, an error where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}: CI must have it")
    pytest.skip(reason)


def find_program(name: str, package: str) -> Path:
    """The path of a server's program, looked for in the system's directories too."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_DIRECTORIES}")
    if found is None:
        cannot_run(f"{name} is not installed (Debian package {package})")
    return Path(found)


def unprivileged_account() -> pwd.struct_passwd:
    """Who a server runs as: ourselves, or nobody when we are root, since mail servers refuse root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def identity(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """The arguments with which `subprocess` runs a program as that account, where we may choose."""
    if account is None or os.geteuid() != 0:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def loopback_addresses() -> list[str]:
    """127.0.0.1, and ::1 where this machine has it (many containers do not)."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


def free_port() -> int:
    """A port nobody listens at, below those the system gives to clients.

    Processes of one test run have ports of their own. A server that is killed and started again must find
    its port still free; a port that the system chose may by then be some client's.
    """
    while True:
        port = random.randrange(20_000 + _SHARE, 32_000, 8)
        if port in _GIVEN_PORTS:
            continue
        try:
            with socket.create_server(("127.0.0.1", port)):
                _GIVEN_PORTS.add(port)
                return port
        except OSError:
            continue


class ServerProcess:
    """One server process in a process group of its own, its output in a log file."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log_file: Path,
        account: pwd.struct_passwd | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self._command = [str(part) for part in command]
        self._log_file = log_file
        self._account = account
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._addresses: list[tuple[str, int]] = []

    def start(self, ports: Sequence[int], host: str = "127.0.0.1", within_seconds: float = 60) -> None:
        """Start it and return when all its ports take connections."""
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment,
                **identity(self._account),
            )
        deadline = time.monotonic() + within_seconds
        self._addresses = [(host, port) for port in ports]
        for address in self._addresses:
            self._wait_until_listening(address, deadline)

    def stop(self, within_seconds: float = 30) -> None:
        """Ask it to end, and end it if it does not; nothing of it is left."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(within_seconds)
        self.kill()

    def kill(self) -> None:
        """End it and its children at once, as a crash or a power cut would."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        # Its children die a moment later, and hold the ports until then.
        deadline = time.monotonic() + 30
        while any(_is_listening(address) for address in self._addresses) and time.monotonic() < deadline:
            time.sleep(0.01)

    def log(self) -> str:
        """All that it has said so far."""
        return self._log_file.read_text(errors="replace")

    def _wait_until_listening(self, address: tuple[str, int], deadline: float) -> None:
        while not _is_listening(address):
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"{self._command[0]} did not start:\n{self.log()}")
            time.sleep(0.01)


class RestartableServer(ABC):
    """A server that tests stop, kill, and start again on the same ports and mail."""

    _process: ServerProcess

    @abstractmethod
    def start(self) -> None:
        """Start it, on the same ports and mail as before."""

    def stop(self) -> None:
        """Stop it in an orderly way: sessions get their BYE."""
        self._process.stop()

    def kill(self) -> None:
        """End it as a crash would: sessions break without a word."""
        self._process.kill()

    def restart(self) -> None:
        """Stop and start: every session of before is dead."""
        self.stop()
        self.start()

    def log(self) -> str:
        """What it has logged so far."""
        return self._process.log()


def _is_listening(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=10).close()
    except OSError:
        return False
    return True
