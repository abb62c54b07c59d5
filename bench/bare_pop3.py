"""POP3 as bare as can be: a session for each visit, since it locks the maildrop."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from testkit.accounts import Account

# What a list needs when all headers are known already.
LISTINGS = ("UIDL", "LIST")


def visit(host: str, port: int, account: Account, commands: Iterable[str] = LISTINGS) -> list[bytes]:
    """Sign in, give commands that are answered by many lines, and leave; return these lines of each."""
    with socket.create_connection((host, port)) as connection, connection.makefile("rb") as file:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(command: str) -> None:
            connection.sendall(command.encode() + b"\r\n")
            if not (line := file.readline()).startswith(b"+OK"):
                raise RuntimeError(f"{command}: {line!r}")

        file.readline()
        ask(f"USER {account.username}")
        ask(f"PASS {account.password}")
        answers = []
        for command in commands:
            ask(command)
            lines = []
            while (line := file.readline()) != b".\r\n":
                lines.append(line)
            answers.append(b"".join(lines))
        ask("QUIT")
        return answers
