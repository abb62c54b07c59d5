"""What a piece of work has sent to mail servers: which commands, by name alone, to whom, and when."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Self

from worker.mail.account import MailProtocol

# Longest of a list of thousands of emails; the numbers count on.
_KEPT_STEPS = 200
# The names of commands (RFC 5321, 9051, 1939 and their extensions). What is none of them may be an answer
# to a challenge, and so a password: the trace only says that it is an answer.
_NAMES = {
    MailProtocol.SMTP: "AUTH DATA EHLO HELO MAIL NOOP QUIT RCPT RSET STARTTLS",
    MailProtocol.IMAP: "APPEND AUTHENTICATE CAPABILITY CLOSE COPY CREATE DELETE ENABLE EXAMINE EXPUNGE FETCH"
    " ID LIST LOGIN LOGOUT LSUB MOVE NAMESPACE NOOP SEARCH SELECT SORT STARTTLS STATUS STORE SUBSCRIBE"
    " UNSELECT",
    MailProtocol.POP3: "AUTH CAPA DELE LIST NOOP PASS QUIT RETR RSET STAT STLS TOP UIDL USER",
}
_COMMANDS = {protocol: frozenset(names.split()) for protocol, names in _NAMES.items()}
_SASL_RESPONSE = "SASL"
# The end of a message (RFC 5321, 4.1.1.4), which waits for an answer like a command.
_END_OF_DATA = "."


@dataclass(slots=True)
class Step:
    """Commands that were sent together, until the last of their answers, or the end of a block: a round trip.

    Times are monotonic seconds. `commands` is empty for other steps; `name` then names the step.
    """

    protocol: MailProtocol
    server: str
    name: str
    commands: tuple[str, ...]
    started_at: float
    trace: CommandTrace | None = field(default=None, repr=False, compare=False)
    ended_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.ended_at = self.started_at

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self.ended_at - self.started_at

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Note that an answer has come, or will not come any more."""
        now = time.monotonic()
        if self.trace is not None:
            self.trace.seconds += now - self.ended_at
        self.ended_at = now


Observer = Callable[[Step], None]


@dataclass(slots=True)
class CommandTrace:
    """The steps of one piece of work, in their order; of very many, only the first are kept.

    `seconds`: how long the servers were waited for, all in all. `observer` is called with every step when it
    begins, from whichever thread takes it.
    """

    observer: Observer | None = None
    steps: list[Step] = field(default_factory=list)
    command_count: int = 0
    round_trips: int = 0
    seconds: float = 0.0

    def add(self, step: Step) -> None:
        """Take a step."""
        self.command_count += len(step.commands)
        self.round_trips += bool(step.commands)
        if len(self.steps) < _KEPT_STEPS:
            self.steps.append(step)
        if self.observer is not None:
            self.observer(step)


_current: ContextVar[CommandTrace | None] = ContextVar("trace", default=None)


def begin_command_trace(observer: Observer | None = None) -> CommandTrace:
    """Begin the trace of what this task, and the threads that work for it, will say to mail servers."""
    trace = CommandTrace(observer)
    _current.set(trace)
    return trace


def detach_command_trace() -> None:
    """Begin a separate trace: the commands of this task are counted, but belong to no job."""
    trace = _current.get()
    _current.set(CommandTrace(trace.observer if trace else None))


def traced(protocol: MailProtocol, server: str, *lines: str) -> Step:
    """Note that commands are sent together; no more is kept of the lines than the names they begin with."""
    names = tuple([_name_of(protocol, line) for line in lines])
    return _note(protocol, server, " ".join(dict.fromkeys(names)), names)


def traced_step(protocol: MailProtocol, server: str, name: str) -> Step:
    """Note what takes time at the server but is no command: `connect`, `tls`, `greeting`."""
    return _note(protocol, server, name, ())


def _note(protocol: MailProtocol, server: str, name: str, commands: tuple[str, ...]) -> Step:
    trace = _current.get()
    step = Step(protocol, server, name, commands, time.monotonic(), trace)
    if trace is not None:
        trace.add(step)
    return step


def _name_of(protocol: MailProtocol, line: str) -> str:
    if line == _END_OF_DATA:
        return "END-OF-DATA"
    words = line[:40].upper().split(maxsplit=2)
    is_uid = protocol is MailProtocol.IMAP and words[:1] == ["UID"]
    name = words[1] if is_uid and len(words) > 1 else words[0] if words else ""
    if name not in _COMMANDS[protocol]:
        return _SASL_RESPONSE
    return f"UID {name}" if is_uid else name
