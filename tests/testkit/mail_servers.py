"""The mail servers that stand in for those of the documentation's examples."""

from __future__ import annotations

import copy
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testkit.accounts import Account
from testkit.document_server import DocumentServer
from testkit.oauth_examples import token_example
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions
from worker.mail.account import Encryption, MailProtocol, account_of
from worker.models.authentication import AuthenticationType, OptionalAuthentication
from worker.models.base import Server
from worker.operations.catalogue import BY_TASK_TYPE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testkit.certificates import Certificates
    from testkit.dovecot import Dovecot

PASSWORD = "s3cret"
# What the examples find, and when the first of it came; the others came a day later each.
MAILS = sorted((Path(__file__).parent.parent / "docs" / "mails").glob("*.eml"))
FIRST_ARRIVAL = datetime(2026, 3, 2, 9, 15, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Example:
    """An example's variables, for a server of the tests, and how to read what comes of it.

    `environment`: the secrets it names, and the authority to trust. `servers`: the server it ran at, and
    the one it is written for.
    """

    task_type: str
    variables: dict[str, Any]
    environment: dict[str, str]
    servers: tuple[str, str]

    def as_documented(self, text: str) -> str:
        """Put the documented server in place of the test's."""
        return text.replace(*self.servers)


class MailServers:
    """A Dovecot with an account for each example; an SMTP server for each that sends; a document store."""

    def __init__(self, dovecot: Dovecot, certificates: Certificates) -> None:
        self._dovecot = dovecot
        self._certificates = certificates
        self._accounts = 0

    @asynccontextmanager
    async def example(self, task_type: str, documented: dict[str, Any]) -> AsyncIterator[Example]:
        """Replace host, port and user name by those of a test server: nothing else of the example.

        An example with OAuth 2.0 keeps its user name, and gets the token endpoint of the tests.
        """
        if "oauth" in documented["authentication"].get("type", ""):
            async with token_example(documented, task_type, self._certificates) as parts:
                yield Example(task_type, *parts)
            return
        operation = BY_TASK_TYPE[task_type]
        meant = account_of(
            operation.protocol,
            Server.model_validate(documented["server"]),
            OptionalAuthentication.model_validate(documented["authentication"]),
        )
        account = self._account(documented)
        variables = copy.deepcopy(documented)
        if account is not None:
            variables["authentication"]["username"] = account.username
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(DocumentServer())
            port = await stack.enter_async_context(self._port(operation.protocol, meant.encryption, account))
            variables["server"] |= {"host": "127.0.0.1", "port": port}
            if meant.encryption is Encryption.IMPLICIT:
                # TLS at a port that is not the usual one would mean STARTTLS for SMTP.
                variables["server"]["cryptographicProtocol"] = "SSL"
            environment = self._environment(documented) | {"ZEEBE_REST_ADDRESS": store.address}
            yield Example(task_type, variables, environment, (f"127.0.0.1:{port}", meant.server))

    def _environment(self, documented: dict[str, Any]) -> dict[str, str]:
        password = documented["authentication"].get("password", "")
        name = password.removeprefix("{{secrets.").removesuffix("}}")
        assert not password or password == "{{secrets." + name + "}}", "an example shows a password"
        secrets = {f"SECRET_{name}": PASSWORD} if name else {}
        return {**secrets, "EMAIL_WORKER_TLS_CA_FILE": str(self._certificates.ca_file)}

    def _account(self, documented: dict[str, Any]) -> Account | None:
        if documented["authentication"].get("type") == AuthenticationType.NO_AUTH:
            return None
        self._accounts += 1
        account = self._dovecot.add_user(f"orders{self._accounts}@example.com", PASSWORD)
        for number, mail in enumerate(MAILS):
            raw = mail.read_bytes().replace(b"\n", b"\r\n")
            self._dovecot.deliver(account.username, raw, received=FIRST_ARRIVAL + timedelta(days=number))
        return account

    @asynccontextmanager
    async def _port(
        self, protocol: MailProtocol, encryption: Encryption, account: Account | None
    ) -> AsyncIterator[int]:
        ports = {
            (MailProtocol.IMAP, Encryption.IMPLICIT): self._dovecot.imaps_port,
            (MailProtocol.IMAP, Encryption.NONE): self._dovecot.imap_port,
            (MailProtocol.POP3, Encryption.IMPLICIT): self._dovecot.pop3s_port,
            (MailProtocol.POP3, Encryption.NONE): self._dovecot.pop3_port,
        }
        if protocol is not MailProtocol.SMTP:
            yield ports[protocol, encryption]
            return
        async with ScriptedSmtp(options=self._smtp_options(encryption, account)) as smtp:
            yield smtp.port

    def _smtp_options(self, encryption: Encryption, account: Account | None) -> SmtpOptions:
        context = self._certificates.server.server_context()
        return SmtpOptions(
            tls=context if encryption is Encryption.IMPLICIT else None,
            starttls=context if encryption is Encryption.STARTTLS else None,
            account=account,
        )
