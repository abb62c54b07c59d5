"""Postfix as a test server: an instance of its own in a temporary directory, delivering to one Maildir.

Postfix wants to be started by root (its processes then give the right away), so elsewhere its tests
are skipped.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Self

from testkit.accounts import Account
from testkit.dovecot import Dovecot, DovecotOptions
from testkit.maildir import Maildir
from testkit.processes import (
    RestartableServer,
    ServerProcess,
    cannot_run,
    find_program,
    free_port,
    loopback_addresses,
    unprivileged_account,
)

if TYPE_CHECKING:
    from types import TracebackType

    from testkit.certificates import Certificate

MAIN = Template(Path(__file__).with_name("postfix.cf").read_text())
# Without chroot, which Debian's usual master.cf asks for and which a temporary directory does not have.
MASTER = """\
{smtp_port}  inet n - n - - smtpd
{smtps_port} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
proxymap  unix - - n - - proxymap
showq     unix n - n - - showq
postlog   unix-dgram n - n - 1 postlogd
"""
LIMIT_SECONDS = 60


@dataclass(frozen=True)
class PostfixOptions:
    """How an instance differs from the usual one.

    With an `account`, mail is taken after a login only, and logins are taken before TLS only with
    `takes_plaintext_logins`. `requires_tls` refuses all commands before STARTTLS; without
    `offers_starttls` there is none. `sasl`: how the Dovecot is set up that is asked about logins.
    `refused` and `deferred` recipients get 550 and 450.
    """

    account: Account | None = None
    sasl: DovecotOptions = field(default_factory=DovecotOptions)
    takes_plaintext_logins: bool = True
    offers_starttls: bool = True
    requires_tls: bool = False
    offers_smtputf8: bool = True
    refused: tuple[str, ...] = ("refused@example.org",)
    deferred: tuple[str, ...] = ("deferred@example.org",)
    message_size_limit: int = 100_000_000
    idle_timeout_seconds: int = 300


@dataclass(frozen=True)
class ReceivedEmail:
    """A mail as it lies in one recipient's mailbox; `raw` begins with the lines that Postfix adds."""

    sender: str
    recipient: str
    raw: bytes


@dataclass
class Postfix(RestartableServer):
    """A running Postfix that takes mail for any address: STARTTLS at `smtp_port`, TLS at `smtps_port`."""

    certificate: Certificate
    options: PostfixOptions = PostfixOptions()
    host: str = "127.0.0.1"
    smtp_port: int = field(default_factory=free_port)
    smtps_port: int = field(default_factory=free_port)

    def __enter__(self) -> Self:
        find_program("postfix", "postfix")
        if os.geteuid() != 0:
            cannot_run("Postfix can only be started by root")
        with ExitStack() as stack:
            self._home = Path(tempfile.mkdtemp(prefix="postfix-"))
            stack.callback(shutil.rmtree, self._home, ignore_errors=True)
            self._configuration = self._home / "etc"
            sasl_socket = self._start_dovecot(stack)
            self._write_files(sasl_socket)
            self._process = ServerProcess(
                [_daemon_directory() / "master", "-d", "-c", self._configuration], self._home / "output"
            )
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
        self._process.start([self.smtp_port, self.smtps_port])

    def log(self) -> str:
        """What it has logged so far."""
        log = self._home / "log"
        return self._process.log() + (log.read_text(errors="replace") if log.exists() else "")

    def received(self, recipient: str | None = None) -> list[ReceivedEmail]:
        """What was delivered so far, one for each mail and recipient, or to this recipient alone."""
        mails = [_received_mail(message.raw) for message in self._maildir.messages()]
        return [mail for mail in mails if recipient in {None, mail.recipient}]

    async def wait_for_mail(self, recipient: str, count: int = 1) -> list[ReceivedEmail]:
        """Wait until this recipient has that many mails; delivery follows the answer to the client."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(mails := self.received(recipient)) < count or self._is_delivering():  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # a directory has no event to wait for
        return mails

    def _is_delivering(self) -> bool:
        """Whether any mail is between the answer to its client and its mailbox."""
        queue = self._home / "queue"
        return any(file.is_file() for part in ("incoming", "active") for file in (queue / part).rglob("*"))

    def _start_dovecot(self, stack: ExitStack) -> Path:
        """Dovecot is asked about logins, as it is in most places where Postfix runs."""
        if self.options.account is None:
            return Path("unused")
        dovecot = stack.enter_context(Dovecot(self.certificate, self.options.sasl))
        dovecot.add_user(self.options.account.username, self.options.account.password)
        return dovecot.sasl_socket

    def _write_files(self, sasl_socket: Path) -> None:
        self._home.chmod(0o755)
        shutil.copy(self.certificate.chain_file, self._home / "server.pem")
        shutil.copy(self.certificate.key_file, self._home / "server.key")
        self._maildir = Maildir(self._home / "received", unprivileged_account())
        self._maildir.create()
        for directory in ("etc", "queue", "data"):
            (self._home / directory).mkdir()
        os.chown(self._home / "data", pwd.getpwnam("postfix").pw_uid, -1)
        (self._configuration / "main.cf").write_text(MAIN.substitute(self._main_values(sasl_socket)))
        (self._configuration / "master.cf").write_text(
            MASTER.format(smtp_port=self.smtp_port, smtps_port=self.smtps_port)
        )
        # Makes the directories of the queue.
        command: list[str | Path] = [find_program("postfix", "postfix"), "-c", self._configuration, "check"]
        subprocess.run(command, check=True)

    def _main_values(self, sasl_socket: Path) -> dict[str, object]:
        options, owner = self.options, unprivileged_account()
        access = [f"{{{address} = 550 5.1.1 No such user here}}" for address in options.refused]
        access += [f"{{{address} = 450 4.2.1 Mailbox busy, try later}}" for address in options.deferred]
        return {
            "home": self._home,
            "daemons": _daemon_directory(),
            "interfaces": ", ".join(loopback_addresses()),
            "uid": owner.pw_uid,
            "gid": owner.pw_gid,
            "tls_level": "encrypt" if options.requires_tls else "may" if options.offers_starttls else "none",
            "tls_auth_only": "no" if options.takes_plaintext_logins else "yes",
            "sasl": "yes" if options.account else "no",
            "sasl_socket": sasl_socket,
            "smtputf8": "yes" if options.offers_smtputf8 else "no",
            "message_size_limit": options.message_size_limit,
            "recipient_access": ", ".join(access),
            "who_may_send": "permit_sasl_authenticated" if options.account else "permit_mynetworks",
            "idle_timeout_seconds": options.idle_timeout_seconds,
        }


def _daemon_directory() -> Path:
    command: list[str | Path] = [find_program("postconf", "postfix"), "-d", "-h", "daemon_directory"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def _received_mail(raw: bytes) -> ReceivedEmail:
    # Return-Path and X-Original-To are what Postfix puts first.
    sender, recipient, _ = raw.decode("utf-8", "replace").split("\n", 2)
    return ReceivedEmail(sender.partition(": ")[2].strip("<>"), recipient.partition(": ")[2], raw)
