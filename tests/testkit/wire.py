"""IMAP, POP3 and SMTP as a proxy sees them: lines in, whole commands and ends of answers out; no sockets."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Command:
    """A client's command: `verb` in capitals (`UID FETCH`), `line` as it was sent.

    `is_pipelined` says that the answer to an earlier one was still due.
    """

    tag: str
    verb: str
    line: str
    is_pipelined: bool


class Wire:
    """One connection's dialogue, in which answers come in the order of the commands (POP3, SMTP)."""

    # What a client may not do without a capability, where it is not the command of the same name.
    uses: ClassVar[dict[str, str]] = {}
    refused: ClassVar[str]
    nothing: ClassVar[str] = "NOOP"

    def __init__(self) -> None:
        self.pending: deque[Command] = deque()
        self.client_literal = 0
        self.server_literal = 0
        # The server has asked for the rest of a command.
        self.is_challenged = False
        self._replaced: set[Command] = set()

    def client_line(self, line: bytes) -> Command | None:
        """The command that begins with this line; None for what belongs to an earlier one."""
        if self.is_challenged:
            self.is_challenged = False
            return None
        return self._begin(line.decode("utf-8", "replace").rstrip())

    def server_line(self, line: bytes) -> Command | None:
        """The command whose answer ends with this line."""
        raise NotImplementedError

    def hide(self, line: bytes, removed: tuple[str, ...]) -> bytes:
        """The server's line without these capabilities."""
        raise NotImplementedError

    def refusal(self, command: Command) -> bytes:
        """How a server refuses a command that it does not know."""
        return self.refused.replace("{tag}", command.tag).encode() + b"\r\n"

    def harmless(self, command: Command) -> bytes:
        """A command that does nothing, with an answer of one line in the same place."""
        self._replaced.add(command)
        return self.nothing.replace("{tag}", command.tag).encode() + b"\r\n"

    def abandon(self) -> bool:
        """Forget the rest of a refused command; whether the client sends it unasked all the same."""
        return False

    def is_use_of(self, command: Command, capability: str) -> bool:
        """Whether only a server with that capability may be sent this."""
        if capability == "PIPELINING":
            return command.is_pipelined
        pattern = self.uses.get(capability, rf"(UID )?{re.escape(capability)}\b")
        return re.match(pattern, command.line.removeprefix(f"{command.tag} "), re.IGNORECASE) is not None

    def _begin(self, text: str) -> Command:
        command = Command("", text.split(" ", maxsplit=1)[0].upper(), text, is_pipelined=bool(self.pending))
        self.pending.append(command)
        return command


class ImapWire(Wire):
    """IMAP (RFC 3501): tagged commands, literals in both directions."""

    refused = "{tag} BAD Unknown command or argument"
    nothing = "{tag} NOOP"
    uses: ClassVar[dict[str, str]] = {
        "UIDPLUS": r"UID EXPUNGE\b",
        "ESORT": r"(UID )?SORT RETURN\b",
        "ESEARCH": r"(UID )?SEARCH RETURN\b",
        "CONTEXT": r".*\bRETURN \(.*\b(PARTIAL|UPDATE|CONTEXT)\b",
        "CONTEXT=SORT": r"(UID )?SORT RETURN \(.*\b(PARTIAL|UPDATE|CONTEXT)\b",
        "PARTIAL": r".*\(.*\bPARTIAL\b",
        "UTF8": r"ENABLE .*UTF8",
        "CHARSET=UTF-8": r".*\bCHARSET UTF-8\b",
        "SASL-IR": r"AUTHENTICATE \S+ \S",
        "LITERAL+": r".*\{\d+\+\}$",
        "CONDSTORE": r".*\b(CONDSTORE|CHANGEDSINCE|UNCHANGEDSINCE)\b",
        "LIST-EXTENDED": r"LIST (\(|.*\bRETURN \()",
        "LIST-STATUS": r"LIST .*\bRETURN \(.*STATUS",
        "SPECIAL-USE": r"LIST .*\bSPECIAL-USE\b",
    }

    def __init__(self) -> None:
        super().__init__()
        self._is_within_command = False
        self._is_literal_unasked = False

    def refusal(self, command: Command) -> bytes:
        if self.is_use_of(command, "CHARSET=UTF-8"):
            return f"{command.tag} NO [BADCHARSET (US-ASCII ISO-8859-1)] Unknown charset\r\n".encode()
        return super().refusal(command)

    def client_line(self, line: bytes) -> Command | None:
        literal = re.search(rb"\{(\d+)(\+?)\}\r\n$", line)
        self._is_literal_unasked = literal is not None and literal.group(2) == b"+"
        is_continued, self._is_within_command = self._is_within_command, literal is not None
        self.client_literal = int(literal.group(1)) if literal else 0
        # What answers a challenge (SASL, DONE after IDLE) is one word; a command has a tag before it.
        found = re.match(r"(\S+) ((?:UID )?\S+)", line.decode("utf-8", "replace"), re.IGNORECASE)
        if is_continued or found is None:
            return None
        tag, verb = found.groups()
        text = line.decode("utf-8", "replace").rstrip()
        command = Command(tag, verb.upper(), text, is_pipelined=bool(self.pending))
        self.pending.append(command)
        return command

    def server_line(self, line: bytes) -> Command | None:
        self.is_challenged = line.startswith(b"+")
        literal = re.search(rb"\{(\d+)\}\r\n$", line)
        self.server_literal = int(literal.group(1)) if literal else 0
        tag = line.split(b" ", 1)[0].decode("ascii", "replace")
        finished = next((command for command in self.pending if command.tag == tag), None)
        if finished is not None:
            self.pending.remove(finished)
        return finished

    def hide(self, line: bytes, removed: tuple[str, ...]) -> bytes:
        def keep(found: re.Match[bytes]) -> bytes:
            words = found.group(2).decode("ascii").split(" ")
            kept = [word for word in words if not any(_is_named(word, name) for name in removed)]
            return found.group(1) + " ".join(kept).encode()

        return re.sub(rb"((?:\* |\[)CAPABILITY )([^\]\r\n]*)", keep, line, flags=re.IGNORECASE)

    def abandon(self) -> bool:
        is_unasked = self._is_within_command and self._is_literal_unasked
        self._is_within_command, self.client_literal = False, 0
        return is_unasked


class Pop3Wire(Wire):
    """POP3 (RFC 1939, 2449): answers of one line, or of many up to a dot."""

    refused = "-ERR Unknown command"
    uses: ClassVar[dict[str, str]] = {"SASL": r"AUTH\b"}

    def __init__(self) -> None:
        super().__init__()
        self._is_in_lines = False

    def server_line(self, line: bytes) -> Command | None:
        if self._is_in_lines:
            self._is_in_lines = line != b".\r\n"
        elif line.startswith(b"+ "):
            self.is_challenged = True
            return None
        elif self.pending:
            self._is_in_lines = line.startswith(b"+OK") and self._has_lines(self.pending[0])
        else:
            return None  # the greeting
        return None if self._is_in_lines else self.pending.popleft()

    def hide(self, line: bytes, removed: tuple[str, ...]) -> bytes:
        is_capability = self._is_in_lines and self.pending[0].verb == "CAPA"
        name = line.split()[0].decode("ascii", "replace") if is_capability and line.strip() else ""
        return b"" if name.upper() in removed else line

    def _has_lines(self, command: Command) -> bool:
        if command in self._replaced:
            return False
        return command.verb in {"RETR", "TOP", "CAPA"} or command.line.upper() in {"LIST", "UIDL"}


class SmtpWire(Wire):
    """SMTP (RFC 5321): the message is no command, but its final dot is one, with the verb `.`."""

    refused = "502 5.5.1 Unknown command or argument"
    uses: ClassVar[dict[str, str]] = {
        "SIZE": r"MAIL .*\bSIZE=",
        "8BITMIME": r"MAIL .*\bBODY=8BITMIME",
        "SMTPUTF8": r"MAIL .*\bSMTPUTF8",
        "CHUNKING": r"BDAT\b",
    }

    def __init__(self) -> None:
        super().__init__()
        self._is_in_message = False

    def client_line(self, line: bytes) -> Command | None:
        if self._is_in_message:
            self._is_in_message = line != b".\r\n"
            return None if self._is_in_message else self._begin(".")
        return super().client_line(line)

    def server_line(self, line: bytes) -> Command | None:
        if line[3:4] == b"-" or not self.pending:
            return None
        if line.startswith(b"334"):
            self.is_challenged = True
            return None
        self._is_in_message = line.startswith(b"354")
        return self.pending.popleft()

    def hide(self, line: bytes, removed: tuple[str, ...]) -> bytes:
        name = line[4:].split()[0].decode("ascii", "replace") if line[4:].strip() else ""
        # Renamed and not left out, since the last line of the answer is marked as such.
        return line[:4] + b"XREMOVED\r\n" if line.startswith(b"250") and name.upper() in removed else line


def _is_named(word: str, name: str) -> bool:
    """Whether a capability has this name, or is this name with a value (SORT=DISPLAY)."""
    return word.upper() == name or word.upper().startswith(f"{name}=")
