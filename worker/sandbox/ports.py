from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from worker.sandbox.errors import SandboxError

_EVERYWHERE = ""  # as a host: on every interface of the machine


@contextmanager
def reserved_port(port: int, host: str = _EVERYWHERE) -> Iterator[int]:
    """Keep a TCP port for a server, 0 for a free one, also while it is restarted. Raises SandboxError.

    A socket that is bound and does not listen keeps the system from giving the port to anybody; a server with
    SO_REUSEADDR, as Java's are, can listen there.
    """
    with socket.socket() as holder:
        # What remains of closed connections does not count either.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((host, port))
        except OSError as error:
            raise SandboxError(f"Port {port} is taken.") from error
        yield int(holder.getsockname()[1])


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port, on any interface."""
    try:
        with reserved_port(port):
            return True
    except SandboxError:
        return False
