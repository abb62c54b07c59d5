"""Dovecot as a test server: an instance of its own in a temporary directory, never as root."""

from __future__ import annotations

import base64
import grp
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Self

from testkit.accounts import Account
from testkit.maildir import Maildir, StoredMessage, numbered_message
from testkit.processes import (
    RestartableServer,
    ServerProcess,
    cannot_run,
    find_program,
    free_port,
    identity,
    loopback_addresses,
    unprivileged_account,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from testkit.certificates import Certificate

CONFIGURATION = Template(Path(__file__).with_name("dovecot.conf").read_text())


@dataclass(frozen=True)
class DovecotOptions:
    """How an instance differs from the usual one.

    `delimiter` stands between folder names, `prefix` before those of the user's own namespace
    (`INBOX.`). Without `takes_plaintext_logins`, a login before TLS is refused (LOGINDISABLED).
    `capability` replaces (or with a leading `+` extends) the IMAP capabilities. `locks_maildrop`
    lets one POP3 session in at a time; the next is told [IN-USE] after ten seconds.
    `extra` is Dovecot's own configuration, appended.
    """

    delimiter: str = "/"
    prefix: str = ""
    takes_plaintext_logins: bool = True
    capability: str | None = None
    pop3_uidl_format: str = "%08Xu%08Xv"
    locks_maildrop: bool = False
    extra: str = ""


@dataclass
class Dovecot(RestartableServer):
    """A running Dovecot; the accounts are made with `add_user`.

    It listens at `host`, and at ::1 where logins over plain text are allowed.
    """

    certificate: Certificate
    options: DovecotOptions = DovecotOptions()
    imap_port: int = field(default_factory=free_port)
    imaps_port: int = field(default_factory=free_port)
    pop3_port: int = field(default_factory=free_port)
    pop3s_port: int = field(default_factory=free_port)

    def __enter__(self) -> Self:
        program = find_program("dovecot", "dovecot-core, dovecot-imapd, dovecot-pop3d")
        self._doveadm = find_program("doveadm", "dovecot-core")
        _require_version_2_3(program)
        self._account = unprivileged_account()
        # Short, since a socket's path has 107 characters at most, and not below pytest's own
        # directory, which nobody but its owner may enter.
        self._home = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self._home.chmod(0o755)
        self._folders: dict[tuple[str, str], Maildir] = {}
        self._configuration = self._home / "dovecot.conf"
        self._write_files()
        self._process = ServerProcess(
            [program, "-F", "-c", self._configuration], self._home / "log", self._account
        )
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def host(self) -> str:
        """127.0.0.1, or 127.0.0.2 where logins over plain text are refused.

        Dovecot takes a connection between equal addresses for a safe one, whatever it is told; clients
        come from 127.0.0.1 wherever they go.
        """
        return "127.0.0.1" if self.options.takes_plaintext_logins else "127.0.0.2"

    @property
    def sasl_socket(self) -> Path:
        """Where Postfix asks about logins (`smtpd_sasl_path`)."""
        return self._home / "sasl"

    def start(self) -> None:
        """Start it, on the same ports and mail as before."""
        ports = [self.imap_port, self.imaps_port, self.pop3_port, self.pop3s_port]
        self._process.start(ports, self.host)
        # It listens before its login processes know whom to ask, and greets otherwise until then.
        for port, ready in ((self.imap_port, b"CAPABILITY"), (self.pop3_port, b"+OK")):
            with socket.create_connection((self.host, port), timeout=20) as connection:
                next(line for line in connection.makefile("rb") if ready in line)

    def add_user(self, name: str, password: str) -> Account:
        """Give it an account; any Unicode but `:` and `/` in the name, any at all in the password."""
        owner = self._account
        secret = base64.b64encode(password.encode()).decode()
        line = f"{name}:{{PLAIN.b64}}{secret}:{owner.pw_uid}:{owner.pw_gid}::{self._user_home(name)}::\n"
        (self._home / "users" / name).write_text(line, "utf-8")
        self.folder(name, "INBOX").create()
        return Account(name, password)

    def folder(self, user: str, name: str = "INBOX") -> Maildir:
        """One folder's files, by its name without the prefix, in which `/` divides the levels."""
        home = self._user_home(user)
        path = home / "inbox" if name == "INBOX" else home / "mail" / name
        return self._folders.setdefault((user, name), Maildir(path, self._account))

    def deliver(
        self,
        user: str,
        raw: bytes,
        folder: str = "INBOX",
        *,
        flags: Iterable[str] = (),
        received: datetime | None = None,
    ) -> None:
        """Put a message into a folder, which is made where it is missing."""
        maildir = self.folder(user, folder)
        maildir.create()
        maildir.deliver(raw, flags, received)

    def populate(self, user: str, count: int, folder: str = "INBOX") -> None:
        """Fill a folder with messages numbered from 1, received a minute after another, and index it."""
        maildir = self.folder(user, folder)
        maildir.create()
        for number in range(1, count + 1):
            received = datetime.fromtimestamp(1_700_000_000 + number * 60, UTC)
            maildir.deliver(numbered_message(number), received=received)
        name = folder if folder == "INBOX" else f"{self.options.prefix}{folder}"
        self._run_doveadm("index", "-u", user, name.replace("/", self.options.delimiter))

    def messages(self, user: str, folder: str = "INBOX") -> list[StoredMessage]:
        """What is in a folder, read from its files, in UID order; nothing if it does not exist."""
        return self.folder(user, folder).messages()

    def folders(self, user: str) -> list[str]:
        """The names of all folders but INBOX, with `/` between levels, sorted."""
        root = self._user_home(user) / "mail"
        return sorted(str(cur.parent.relative_to(root)) for cur in root.rglob("cur"))

    def _user_home(self, user: str) -> Path:
        return self._home / "homes" / user.encode().hex()

    def _write_files(self) -> None:
        options, account = self.options, self._account
        shutil.copy(self.certificate.chain_file, self._home / "server.pem")
        shutil.copy(self.certificate.key_file, self._home / "server.key")
        (self._home / "users").mkdir()
        (self._home / "homes").mkdir()
        self._configuration.write_text(
            CONFIGURATION.substitute(
                home=self._home,
                listen=", ".join(loopback_addresses()) if options.takes_plaintext_logins else self.host,
                user=account.pw_name,
                group=_group_name(account.pw_gid),
                uid=account.pw_uid,
                gid=account.pw_gid,
                ssl="yes" if options.takes_plaintext_logins else "required",
                disable_plaintext_auth="no" if options.takes_plaintext_logins else "yes",
                delimiter=options.delimiter,
                prefix=options.prefix,
                imap_capability=f"imap_capability = {options.capability}" if options.capability else "",
                pop3_uidl_format=options.pop3_uidl_format,
                pop3_lock_session="yes" if options.locks_maildrop else "no",
                extra=options.extra,
                imap_port=self.imap_port,
                imaps_port=self.imaps_port,
                pop3_port=self.pop3_port,
                pop3s_port=self.pop3s_port,
            )
        )
        for path in (self._home, *self._home.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)

    def _run_doveadm(self, *arguments: str) -> None:
        command: list[str | Path] = [self._doveadm, "-c", self._configuration, *arguments]
        subprocess.run(command, check=True, **identity(self._account))


def _group_name(gid: int) -> str:
    return grp.getgrgid(gid).gr_name


def _require_version_2_3(program: Path) -> None:
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    if not version.startswith("2.3."):
        # 2.4 has another configuration language.
        cannot_run(f"Dovecot 2.3 is needed, not {version.split()[0]}")
