"""A POP3 server in a few lines, which lacks what a test says and fails where a test says.

async with ScriptedPop3({"uid1": raw}, Pop3Options(faults={"RETR": hang()})) as server:
    ...
    assert server.verbs == ["CAPA", "USER", "PASS", "UIDL", "LIST", "RETR"]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testkit.scripted_server import Dialogue, DialogueOver, ScriptedServer, Step

if TYPE_CHECKING:
    import ssl

CAPABILITIES = ("TOP", "UIDL", "USER", "SASL PLAIN", "PIPELINING", "RESP-CODES")


@dataclass(frozen=True)
class Pop3Options:
    """What the server lacks and where it fails.

    `capabilities` None: CAPA is unknown. `missing`: verbs that are unknown. `faults`: what happens at a
    verb instead of its answer (GREETING: instead of the greeting); each holds for the first
    `fault_sessions` sessions. `renumbers`: what one session deletes changes the numbers of the others.
    """

    capabilities: tuple[str, ...] | None = CAPABILITIES
    missing: frozenset[str] = frozenset()
    faults: Mapping[str, Step] = field(default_factory=dict)
    fault_sessions: int = 1_000
    renumbers: bool = False


class ScriptedPop3(ScriptedServer):
    """Serves `messages` by their unique ids to anybody; a list of pairs may give an id twice."""

    def __init__(
        self,
        messages: Mapping[str, bytes] | list[tuple[str, bytes]],
        options: Pop3Options | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls=tls)
        self.messages = list(messages.items()) if isinstance(messages, Mapping) else messages
        self.options = options or Pop3Options()
        self.open_sessions = 0
        self.most_open_sessions = 0

    @property
    def verbs(self) -> list[str]:
        """The verbs of all commands so far; the answer to AUTH's challenge is none."""
        words = [command.split(" ")[0].upper() for command in self.commands]
        return [word for before, word in zip(["", *words], words, strict=False) if before != "AUTH"]

    async def play(self, dialogue: Dialogue) -> None:
        """Hold one session over what is there at its beginning."""
        if self._tls is not None:
            await dialogue.start_tls(self._tls)
        self.open_sessions += 1
        self.most_open_sessions = max(self.most_open_sessions, self.open_sessions)
        try:
            await _Session(self, dialogue, is_faulty=self.connections <= self.options.fault_sessions).run()
        finally:
            self.open_sessions -= 1


class _Session:
    def __init__(self, server: ScriptedPop3, dialogue: Dialogue, *, is_faulty: bool) -> None:
        self._server = server
        self._dialogue = dialogue
        self._faults = server.options.faults if is_faulty else {}
        self._mails = server.messages if server.options.renumbers else list(server.messages)
        self._marked: list[tuple[str, bytes]] = []

    async def run(self) -> None:
        await self._answer("GREETING", "")
        while True:
            verb, _, argument = (await self._dialogue.read_command()).partition(" ")
            await self._answer(verb.upper(), argument)

    async def _answer(self, verb: str, argument: str) -> None:
        if verb in self._faults:
            await self._faults[verb](self._dialogue)
        elif verb in self._server.options.missing or not hasattr(self, f"_{verb.lower()}"):
            await self._dialogue.say("-ERR unknown command")
        else:
            await getattr(self, f"_{verb.lower()}")(argument)

    async def _greeting(self, _: str) -> None:
        await self._dialogue.say("+OK ready")

    async def _capa(self, _: str) -> None:
        if self._server.options.capabilities is None:
            await self._dialogue.say("-ERR unknown command")
        else:
            await self._lines([name.encode() for name in self._server.options.capabilities])

    async def _user(self, _: str) -> None:
        await self._dialogue.say("+OK")

    async def _pass(self, _: str) -> None:
        await self._dialogue.say("+OK")

    async def _auth(self, _: str) -> None:
        await self._dialogue.say("+ ")
        await self._dialogue.read_command()
        await self._dialogue.say("+OK")

    async def _uidl(self, argument: str) -> None:
        numbered = dict(self._numbered())
        if argument and int(argument) in numbered:
            await self._dialogue.say(f"+OK {argument} {numbered[int(argument)][0]}")
        elif argument:
            await self._dialogue.say("-ERR no such message")
        else:
            await self._lines([f"{number} {uid}".encode() for number, (uid, _) in self._numbered()])

    async def _list(self, argument: str) -> None:
        numbered = dict(self._numbered())
        if argument and int(argument) in numbered:
            await self._dialogue.say(f"+OK {argument} {len(numbered[int(argument)][1])}")
        elif argument:
            await self._dialogue.say("-ERR no such message")
        else:
            await self._lines([f"{number} {len(raw)}".encode() for number, (_, raw) in self._numbered()])

    async def _stat(self, _: str) -> None:
        sizes = [len(raw) for _, (_, raw) in self._numbered()]
        await self._dialogue.say(f"+OK {len(sizes)} {sum(sizes)}")

    async def _noop(self, _: str) -> None:
        await self._dialogue.say("+OK")

    async def _top(self, argument: str) -> None:
        if (raw := self._raw(argument.split(maxsplit=1)[0])) is None:
            await self._dialogue.say("-ERR no such message")
            return
        await self._lines([*raw.partition(b"\r\n\r\n")[0].split(b"\r\n"), b""])

    async def _retr(self, argument: str) -> None:
        if (raw := self._raw(argument)) is None:
            await self._dialogue.say("-ERR no such message")
            return
        await self._lines(raw.removesuffix(b"\r\n").split(b"\r\n"))

    async def _dele(self, argument: str) -> None:
        self._marked.append(self._mails[int(argument) - 1])
        await self._dialogue.say("+OK")

    async def _rset(self, _: str) -> None:
        self._marked.clear()
        await self._dialogue.say("+OK")

    async def _quit(self, _: str) -> None:
        for mail in self._marked:
            if mail in self._server.messages:  # another session may have deleted it too
                self._server.messages.remove(mail)
        await self._dialogue.say("+OK bye")
        await self._dialogue.close()
        raise DialogueOver

    def _raw(self, number: str) -> bytes | None:
        return dict(self._numbered()).get(int(number), ("", None))[1]

    def _numbered(self) -> list[tuple[int, tuple[str, bytes]]]:
        return [(number, mail) for number, mail in enumerate(self._mails, 1) if mail not in self._marked]

    async def _lines(self, lines: list[bytes]) -> None:
        stuffed = (b"." + line if line.startswith(b".") else line for line in lines)
        await self._dialogue.send(b"+OK\r\n" + b"".join(line + b"\r\n" for line in stuffed) + b".\r\n")
