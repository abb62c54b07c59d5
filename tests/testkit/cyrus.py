"""Cyrus IMAP as a test server: a third make, with a store and a mind of its own.

Debian's package excludes Dovecot's, so it is also looked for below CYRUS_ROOT, where its packages may
have been unpacked (`dpkg -x`).
"""

from __future__ import annotations

import imaplib
import os
import re
import shutil
import socketserver
import struct
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from testkit.accounts import Account
from testkit.maildir import StoredMessage
from testkit.processes import RestartableServer, ServerProcess, cannot_run, free_port, unprivileged_account

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from testkit.certificates import Certificate

CONFIGURATION = """\
configdirectory: {home}/conf
partition-default: {home}/spool
defaultpartition: default
cyrus_user: {user}
admins: admin
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: {home}/passwords
failedloginpause: 0
sasl_mech_list: PLAIN LOGIN
allowplaintext: yes
virtdomains: off
altnamespace: yes
unixhierarchysep: yes
tls_server_cert: {home}/server.pem
tls_server_key: {home}/server.key
"""
SERVICES = """\
START {{
}}
SERVICES {{
  imap  cmd="{programs}/imapd -C {home}/imapd.conf"    listen="127.0.0.1:{imap_port}"
  imaps cmd="{programs}/imapd -s -C {home}/imapd.conf" listen="127.0.0.1:{imaps_port}"
  pop3  cmd="{programs}/pop3d -C {home}/imapd.conf"    listen="127.0.0.1:{pop3_port}"
  pop3s cmd="{programs}/pop3d -s -C {home}/imapd.conf" listen="127.0.0.1:{pop3s_port}"
}}
EVENTS {{
}}
"""
ADMIN = Account("admin", "administration")
T = TypeVar("T")


@dataclass
class Cyrus(RestartableServer):
    """A running Cyrus with IMAP and POP3; the accounts are made with `add_user`."""

    certificate: Certificate
    host: str = "127.0.0.1"
    imap_port: int = field(default_factory=free_port)
    imaps_port: int = field(default_factory=free_port)
    pop3_port: int = field(default_factory=free_port)
    pop3s_port: int = field(default_factory=free_port)

    def __enter__(self) -> Self:
        root = Path(os.environ.get("CYRUS_ROOT", "/"))
        programs = root / "usr/lib/cyrus/bin"
        if not (programs / "pop3d").exists():
            cannot_run("Cyrus is not there (Debian packages cyrus-imapd, cyrus-pop3d; see CYRUS_ROOT)")
        self._passwords = {ADMIN.username: ADMIN.password}
        with ExitStack() as stack:
            self._home = Path(tempfile.mkdtemp(prefix="cyrus-"))
            stack.callback(shutil.rmtree, self._home, ignore_errors=True)
            self._write_files(programs)
            stack.enter_context(_password_server(self._home / "passwords", self._passwords))
            command: list[str | Path] = [programs / "master", "-D", "-C", self._home / "imapd.conf"]
            command += ["-M", self._home / "cyrus.conf", "-p", self._home / "pid"]
            account = unprivileged_account()
            self._process = ServerProcess(command, self._home / "log", account, _libraries(root))
            self.start()
            stack.callback(self.kill)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start it, on the same ports and mail as before."""
        self._process.start([self.imap_port, self.imaps_port, self.pop3_port, self.pop3s_port])

    def add_user(self, name: str, password: str) -> Account:
        """Give it an account; ASCII letters and digits in the name, any Unicode in the password."""
        self._passwords[name] = password
        with self._session(ADMIN) as session:
            _require(session.create(f"user/{name}"))
        return Account(name, password)

    def deliver(
        self,
        user: str,
        raw: bytes,
        folder: str = "INBOX",
        *,
        flags: Iterable[str] = (),
        received: datetime | None = None,
    ) -> None:
        """Put a message into a folder (ASCII), which is made where it is missing."""
        with self._session(Account(user, self._passwords[user])) as session:
            session.create(f'"{folder}"')  # Refused where it is there already.
            date = imaplib.Time2Internaldate(received or datetime.now(UTC))
            _require(session.append(f'"{folder}"', f"({' '.join(flags)})", date, raw))

    def messages(self, user: str, folder: str = "INBOX") -> list[StoredMessage]:
        """What is in a folder (ASCII), in UID order; nothing if it does not exist."""
        with self._session(Account(user, self._passwords[user])) as session:
            status, count = session.select(f'"{folder}"', readonly=True)
            if status != "OK" or count == [b"0"]:
                return []
            parts = _require(session.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])"))
        return [_stored_message(part[0], part[1]) for part in parts if isinstance(part, tuple)]

    @contextmanager
    def _session(self, account: Account) -> Iterator[imaplib.IMAP4]:
        session = imaplib.IMAP4(self.host, self.imap_port, timeout=60)
        try:
            session.authenticate("PLAIN", lambda _: f"\0{account.username}\0{account.password}".encode())
            yield session
        finally:
            session.shutdown()

    def _write_files(self, programs: Path) -> None:
        owner = unprivileged_account()
        self._home.chmod(0o755)
        for part in ("conf/db", "conf/socket", "conf/proc", "conf/lock", "conf/log", "spool"):
            (self._home / part).mkdir(parents=True)
        shutil.copy(self.certificate.chain_file, self._home / "server.pem")
        shutil.copy(self.certificate.key_file, self._home / "server.key")
        configuration = CONFIGURATION.format(home=self._home, user=owner.pw_name)
        (self._home / "imapd.conf").write_text(configuration)
        ports = {name: getattr(self, name) for name in ("imap_port", "imaps_port", "pop3_port", "pop3s_port")}
        (self._home / "cyrus.conf").write_text(SERVICES.format(home=self._home, programs=programs, **ports))
        for path in (self._home, *self._home.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid)


@contextmanager
def _password_server(path: Path, passwords: dict[str, str]) -> Iterator[None]:
    """What Cyrus asks about passwords: the protocol of saslauthd, strings with their lengths before them."""

    class Question(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            user, password, *_ = [self._read_string() for _ in range(4)]
            answer = b"OK" if passwords.get(user) == password else b"NO"
            self.wfile.write(struct.pack(">H", len(answer)) + answer)

        def _read_string(self) -> str:
            (length,) = struct.unpack(">H", self.rfile.read(2))
            return self.rfile.read(length).decode()

    with socketserver.ThreadingUnixStreamServer(str(path), Question) as server:
        path.chmod(0o666)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _libraries(root: Path) -> dict[str, str]:
    """Where the libraries are that were unpacked with the programs."""
    directories = [*root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu")]
    return {} if root == Path("/") else {"LD_LIBRARY_PATH": ":".join(str(path) for path in directories)}


def _require(answer: tuple[str, T]) -> T:
    status, data = answer
    assert status == "OK", f"Cyrus refused: {data}"
    return data


def _stored_message(head: bytes, raw: bytes) -> StoredMessage:
    uid = re.search(rb"UID (\d+)", head)
    flags = re.search(rb"FLAGS \((.*?)\)", head)
    received = re.search(rb'INTERNALDATE "(.*?)"', head)
    assert uid is not None
    assert flags is not None
    assert received is not None
    return StoredMessage(
        raw=raw,
        flags=frozenset(flags.group(1).decode().split()) - {"\\Recent"},
        received=datetime.strptime(received.group(1).decode().strip(), "%d-%b-%Y %H:%M:%S %z"),
        uid=int(uid.group(1)),
    )
