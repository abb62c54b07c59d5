"""POP3 as bare as can be: a session for each visit, since it locks the maildrop."""

from __future__ import annotations

import socket


def list_maildrop(host: str, port: int, username: str, password: str) -> bytes:
    """USER, PASS, UIDL, LIST and QUIT: what a list needs when all headers are known already."""
    with socket.create_connection((host, port)) as connection, connection.makefile("rb") as file:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        file.readline()
        answers = []
        for command in (f"USER {username}", f"PASS {password}", "UIDL", "LIST", "QUIT"):
            connection.sendall(command.encode() + b"\r\n")
            answers.append(line := file.readline())
            if not line.startswith(b"+OK"):
                raise RuntimeError(f"{command}: {line!r}")
            while command in {"UIDL", "LIST"} and line != b".\r\n":
                answers.append(line := file.readline())
        return b"".join(answers)
