"""An IMAP server in a few lines, with a folder of any size, which fails where a test says.

async with ScriptedImap(ImapOptions(faults={"LOGIN": answer("NO [AUTHENTICATIONFAILED] no")})) as server:
    ...
    assert server.verbs == ["CAPABILITY", "LOGIN"]
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testkit.scripted_server import Dialogue, DialogueOver, ScriptedServer, Step

if TYPE_CHECKING:
    import ssl

HEADER = b"Message-ID: <%d@scripted.example.org>\r\nSubject: Message %d\r\n\r\n"


@dataclass(frozen=True)
class ImapOptions:
    """`faults`: what happens at a verb (`UID FETCH`, GREETING) instead of its answer, in the first
    `fault_sessions` sessions. INBOX, the only folder, holds `message_count` messages; the n-th has UID n
    and n octets."""

    capabilities: str = "IMAP4rev1 UIDPLUS MOVE SASL-IR AUTH=PLAIN STARTTLS"
    message_count: int = 3
    greeting: str = "* OK ready"
    faults: Mapping[str, Step] = field(default_factory=dict)
    fault_sessions: int = 1_000


class OrdinaryAnswer(Exception):
    """A fault leaves this command to the server."""


class ScriptedImap(ScriptedServer):
    """Lets anybody in, under any name."""

    def __init__(self, options: ImapOptions | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.options = options or ImapOptions()

    @property
    def verbs(self) -> list[str]:
        """The verbs of all commands so far."""
        found = (re.match(r"\S+ ((?:UID )?\S+)", command) for command in self.commands)
        return [match.group(1).upper() for match in found if match]

    async def play(self, dialogue: Dialogue) -> None:
        """Hold one session."""
        if self._tls is not None:
            await dialogue.start_tls(self._tls)
        faults = self.options.faults if self.connections <= self.options.fault_sessions else {}
        session = _Session(self.options, dialogue)
        if "GREETING" in faults:
            await faults["GREETING"](dialogue)
        await dialogue.say(self.options.greeting)
        while True:
            command = await dialogue.read_command()
            match = re.match(r"\S+ ((?:UID )?\S+) ?(.*)", command)
            assert match, f"{command!r} is no command"
            verb = match.group(1).upper()
            try:
                if verb in faults:
                    await faults[verb](dialogue)
                    continue
            except OrdinaryAnswer:
                pass
            await session.answer(verb, match.group(2))


class _Session:
    def __init__(self, options: ImapOptions, dialogue: Dialogue) -> None:
        self._options = options
        self._dialogue = dialogue
        self._flagged: set[int] = set()
        self._expunged: set[int] = set()

    async def answer(self, verb: str, arguments: str) -> None:
        method = getattr(self, f"_{verb.lower().replace(' ', '_')}", None)
        if method is not None:
            await method(arguments)
        await self._dialogue.say("{tag} OK done")

    async def _capability(self, _: str) -> None:
        await self._dialogue.say(f"* CAPABILITY {self._options.capabilities}")

    async def _list(self, _: str) -> None:
        await self._dialogue.say('* LIST () "/" INBOX')

    async def _select(self, _: str) -> None:
        await self._dialogue.say(f"* {self._options.message_count} EXISTS")
        await self._dialogue.say("* OK [UIDVALIDITY 7] valid")

    async def _uid_search(self, arguments: str) -> None:
        if arguments == "ALL" and self._options.message_count > 3:
            uids = " ".join(map(str, range(1, self._options.message_count + 1)))
            await self._dialogue.say(f"* SEARCH {uids}")
            return
        if uid_set := re.fullmatch(r"UID ([\d:,*]+)", arguments):
            uids = " ".join(map(str, self._expand(uid_set[1])))
            await self._dialogue.say(f"* SEARCH {uids}".rstrip())
            return
        wanted = re.search(r'"<?(\d+)@scripted', arguments)
        await self._dialogue.say(f"* SEARCH {wanted.group(1) if wanted else ''}".rstrip())

    async def _uid_fetch(self, arguments: str) -> None:
        uid_set, _, items = arguments.partition(" ")
        uids = self._expand(uid_set)
        while lines := [_fetched(uid, items) for uid in itertools.islice(uids, 1000)]:
            await self._dialogue.send(b"".join(lines))

    async def _uid_store(self, arguments: str) -> None:
        uid_set, _, change = arguments.partition(" ")
        if change.startswith("+FLAGS") and "Deleted" in change:
            self._flagged.update(self._expand(uid_set))

    async def _uid_expunge(self, uid_set: str) -> None:
        await self._remove(self._flagged.intersection(self._expand(uid_set)))

    async def _expunge(self, _: str) -> None:
        await self._remove(self._flagged)

    async def _remove(self, uids: set[int]) -> None:
        for uid in sorted(uids - self._expunged, reverse=True):
            await self._dialogue.say(f"* {uid} EXPUNGE")
        self._expunged.update(uids)

    async def _logout(self, _: str) -> None:
        await self._dialogue.say("* BYE bye")
        await self._dialogue.say("{tag} OK done")
        await self._dialogue.close()
        raise DialogueOver

    def _expand(self, uid_set: str) -> Iterator[int]:
        count = self._options.message_count
        for part in uid_set.replace("*", str(count)).split(","):
            first, _, last = part.partition(":")
            uids = range(int(first), min(int(last or first), count) + 1)
            yield from (uid for uid in uids if uid not in self._expunged)


def _fetched(uid: int, items: str) -> bytes:
    line = b'* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE "20-Nov-2026 08:00:00 +0000"' % (uid, uid, uid)
    if "BODY" in items:
        header = HEADER % (uid, uid)
        line += b" BODY[HEADER] {%d}\r\n%b" % (len(header), header)
    return line + b")\r\n"


def when(text: str, step: Step) -> Step:
    """Do this for commands that have the text in them; the others are answered as usual."""

    async def decide(dialogue: Dialogue) -> None:
        if text not in dialogue.commands[-1]:
            raise OrdinaryAnswer
        await step(dialogue)

    return decide


def answer(text: str) -> Step:
    """Say this as the end of the command."""
    return lambda dialogue: dialogue.say(f"{{tag}} {text}")
