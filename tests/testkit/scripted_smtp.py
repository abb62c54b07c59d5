"""An SMTP server that behaves, except at the one step where a test tells it not to.

async with ScriptedSmtp({SmtpStep.ANSWER: hang()}) as server:
    ...
    assert [mail.recipients for mail in server.accepted] == [["ann@example.org"]]
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from testkit.scripted_server import DialogueOver, ScriptedServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from testkit.accounts import Account
    from testkit.scripted_server import Dialogue, Step


class SmtpStep(StrEnum):
    """Where a fault is played in place of the usual answer.

    CONNECT is before TLS and greeting. BODY is in the middle of the message. DOT is after its end,
    and the message is not accepted; at ANSWER it is, and the fault is played in place of saying so.
    """

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    ANSWER = "answer"
    QUIT = "quit"


@dataclass(frozen=True)
class SmtpOptions:
    """What the server offers.

    `tls` is from the first byte, `starttls` is offered by EHLO. With an `account`, mail is taken after
    a login only. `refused` are replies by recipient. After `most_recipients` in a transaction, the others
    get the reply `too_many`. The first `faulty_connections` have the faults (None: all of them).
    """

    tls: ssl.SSLContext | None = None
    starttls: ssl.SSLContext | None = None
    account: Account | None = None
    extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8", "PIPELINING")
    refused: Mapping[str, str] = field(default_factory=dict)
    most_recipients: int = 1000
    too_many: str = "452 4.5.3 Error: too many recipients"
    faulty_connections: int | None = None


@dataclass(frozen=True)
class AcceptedMail:
    """A mail for which the server has taken the responsibility, whether or not it could say so."""

    sender: str
    recipients: list[str]
    raw: bytes


class ScriptedSmtp(ScriptedServer):
    """Takes any mail; what it took is in `accepted`, in order."""

    def __init__(
        self, faults: Mapping[SmtpStep, Step] | None = None, options: SmtpOptions | None = None
    ) -> None:
        super().__init__()
        self.accepted: list[AcceptedMail] = []
        self.options = options or SmtpOptions()
        self._faults = faults or {}

    async def play(self, dialogue: Dialogue) -> None:
        """Hold one SMTP session."""
        limit = self.options.faulty_connections
        faults = self._faults if limit is None or self.connections <= limit else {}
        await _Session(self, dialogue, faults).run()


class _Session:
    def __init__(self, server: ScriptedSmtp, dialogue: Dialogue, faults: Mapping[SmtpStep, Step]) -> None:
        self._options = server.options
        self._accepted = server.accepted
        self._dialogue = dialogue
        self._faults = faults
        self._is_encrypted = server.options.tls is not None
        self._is_signed_in = server.options.account is None
        self._sender = ""
        self._recipients: list[str] = []

    async def run(self) -> None:
        if SmtpStep.CONNECT in self._faults:
            await self._faults[SmtpStep.CONNECT](self._dialogue)
        if self._options.tls is not None:
            await self._dialogue.start_tls(self._options.tls)
        await self._answer(SmtpStep.GREETING, "220 mail.example.org ESMTP")
        while True:
            command = await self._dialogue.read_command()
            verb, _, argument = command.partition(" ")
            handler = getattr(self, f"_on_{verb.lower()}", None)
            if handler is None:
                await self._dialogue.say("500 5.5.2 Unknown command")
            else:
                await handler(argument)

    async def _answer(self, step: SmtpStep, *lines: str) -> bool:
        """Play the fault of this step and say so, or else answer as usual."""
        if step in self._faults:
            await self._faults[step](self._dialogue)
            return False
        for line in lines:
            await self._dialogue.say(line)
        return True

    async def _on_ehlo(self, _: str) -> None:
        offers = ["mail.example.org", *self._options.extensions]
        if self._options.starttls is not None and not self._is_encrypted:
            offers.append("STARTTLS")
        elif self._options.account is not None:
            offers.append("AUTH PLAIN LOGIN")
        lines = [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]
        await self._answer(SmtpStep.EHLO, *lines)

    async def _on_helo(self, _: str) -> None:
        await self._answer(SmtpStep.EHLO, "250 mail.example.org")

    async def _on_starttls(self, _: str) -> None:
        if self._options.starttls is None:
            await self._dialogue.say("502 5.5.1 Not offered")
        elif await self._answer(SmtpStep.STARTTLS, "220 2.0.0 Go ahead"):
            await self._dialogue.start_tls(self._options.starttls)
            self._is_encrypted = True

    async def _on_auth(self, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        if mechanism.upper() == "PLAIN":
            given = (await self._read_secret("", initial)).split("\0")[1:]
        else:
            given = [await self._read_secret("Username:", initial), await self._read_secret("Password:", "")]
        account = self._options.account
        if account is None or given != [account.username, account.password]:
            await self._answer(SmtpStep.AUTH, "535 5.7.8 Authentication credentials invalid")
        elif await self._answer(SmtpStep.AUTH, "235 2.7.0 Authentication successful"):
            self._is_signed_in = True

    async def _read_secret(self, prompt: str, initial: str) -> str:
        if not initial:
            await self._dialogue.say(f"334 {base64.b64encode(prompt.encode()).decode()}")
            initial = await self._dialogue.read_command()
        return base64.b64decode(initial).decode()

    async def _on_mail(self, argument: str) -> None:
        if not self._is_signed_in:
            await self._dialogue.say("530 5.7.0 Authentication required")
        elif await self._answer(SmtpStep.MAIL, "250 2.1.0 Ok"):
            self._sender, self._recipients = _address(argument), []

    async def _on_rcpt(self, argument: str) -> None:
        recipient = _address(argument)
        if recipient in self._options.refused:
            await self._dialogue.say(self._options.refused[recipient])
        elif len(self._recipients) >= self._options.most_recipients:
            await self._dialogue.say(self._options.too_many)
        elif await self._answer(SmtpStep.RCPT, "250 2.1.5 Ok"):
            self._recipients.append(recipient)

    async def _on_data(self, _: str) -> None:
        if not self._recipients:
            await self._dialogue.say("503 5.5.1 No recipients")
        elif await self._answer(SmtpStep.DATA, "354 End with a dot"):
            raw = await self._read_message()
            if await self._answer(SmtpStep.DOT):
                self._accepted.append(AcceptedMail(self._sender, self._recipients, raw))
                await self._answer(SmtpStep.ANSWER, "250 2.0.0 Accepted")
            self._recipients = []

    async def _read_message(self) -> bytes:
        lines: list[bytes] = []
        while (line := await self._dialogue.read_line()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
            if len(lines) == 1 and SmtpStep.BODY in self._faults:
                await self._faults[SmtpStep.BODY](self._dialogue)
        return b"".join(lines)

    async def _on_rset(self, _: str) -> None:
        self._recipients = []
        await self._dialogue.say("250 2.0.0 Ok")

    async def _on_noop(self, _: str) -> None:
        await self._dialogue.say("250 2.0.0 Ok")

    async def _on_quit(self, _: str) -> None:
        await self._answer(SmtpStep.QUIT, "221 2.0.0 Bye")
        raise DialogueOver


def _address(argument: str) -> str:
    """The address in `FROM:<ann@example.org> SIZE=5`."""
    found = re.search(r"<(.*?)>", argument)
    return found.group(1) if found else ""
