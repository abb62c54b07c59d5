"""poplib's client on a bounded connection."""

from __future__ import annotations

import poplib

from worker.mail.connection import BoundedConnection


class Pop3Client(poplib.POP3):
    """Gives the commands that have a reply of one line, on a connection that is there already."""

    def __init__(self, connection: BoundedConnection) -> None:
        # Not poplib's own, which connects by itself.
        self.sock = self.file = connection  # type: ignore[assignment]  # it can do all that poplib needs
        self.set_debuglevel(0)

    def close(self) -> None:
        """Leave the connection open; poplib closes it after QUIT."""
